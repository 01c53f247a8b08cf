"""One command line of ours in processes of its own: started, struck, waited for, and what it said."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lingshu_train import environment
from lingshu_train.drill import tree
from lingshu_train.errors import LingshuError
from lingshu_train.running import warm

LOOK_S = 0.002
TRACE = "Traceback (most recent call last)"
_OURS = "lingshu: "


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a command ended. `code` is None where it was still running at the limit; below 0 it is a signal's number."""

    code: int | None
    seconds: float
    line: str
    """The last line on standard error; one of ours begins with `lingshu: `."""
    traceback: bool

    @property
    def told(self) -> bool:
        return self.line.startswith(_OURS)


@dataclass(slots=True)
class Process:
    """A command that runs."""

    popen: subprocess.Popen[bytes]
    log: Path
    since: float
    before: int
    """Bytes that the log had before."""

    @property
    def pid(self) -> int:
        return self.popen.pid

    @property
    def running(self) -> bool:
        return self.popen.poll() is None

    def wait(self, limit_s: float) -> Ended:
        """Its end, or that there was none within the limit: then it is killed with all it started."""
        try:
            code: int | None = self.popen.wait(limit_s)
        except subprocess.TimeoutExpired:
            code = None
            tree.kill(self.pid)
            self.popen.wait()
        seconds = time.monotonic() - self.since
        with self.log.open("rb") as stream:
            stream.seek(self.before)
            said = stream.read().decode("utf-8", "replace")
        lines = [line for line in re.split(r"[\r\n]+", said) if line.strip()]
        return Ended(
            code=code,
            seconds=round(seconds, 3),
            line=lines[-1] if lines else "",
            traceback=TRACE in said,
        )


def start(  # noqa: PLR0913 (each is another circumstance of the start)
    words: list[str],
    *,
    log: Path,
    variables: Mapping[str, str],
    cold: bool = False,
    spoil: warm.Spoil | None = None,
    preexec: str = "",
    module: str = "lingshu_train",
) -> Process:
    """`lingshu WORDS`, its standard error in `log`. `spoil` fails in its ranks. `preexec`: what a shell does before. `module`:
    another that takes the words."""
    line = [sys.executable, "-m", module, *words]
    if preexec:
        line = ["bash", "-c", f'{preexec}; exec "$@"', "_", *line]
    kind = warm.Cold if (cold and spoil is None) or preexec else warm.Warm
    before = log.stat().st_size if log.exists() else 0
    warm.Warm.spoil = spoil
    try:
        with log.open("ab") as stream:
            popen = kind(
                line,
                env={**environment.inherited(), **variables},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stream,
                start_new_session=True,
            )
    finally:
        warm.Warm.spoil = None
    return Process(popen, log, time.monotonic(), before)


def when(process: Process, happened: Callable[[], bool], *, limit_s: float) -> None:
    """Wait until something has happened in a run. LingshuError (70) where the run ended before."""
    until = time.monotonic() + limit_s
    while not happened():
        if not process.running:
            ended = process.wait(1)
            raise LingshuError(
                f"the run ended before the fault could be done to it ({ended.code}: {ended.line})"
            )
        if time.monotonic() > until:
            tree.kill(process.pid)
            raise LingshuError(f"what the fault waits for did not happen within {limit_s:g} s")
        time.sleep(LOOK_S)


def kill_when(process: Process, happened: Callable[[], bool], *, limit_s: float) -> None:
    """SIGKILL the command and all it started, the moment something has happened."""
    when(process, happened, limit_s=limit_s)
    kill(process)


def kill(process: Process) -> None:
    # Listing them takes a moment: hold the launcher still meanwhile.
    with suppress(ProcessLookupError):
        os.kill(process.pid, signal.SIGSTOP)
    tree.kill(process.pid)
    process.popen.wait()
