"""A user's reward file in a process of its own: killed when it hangs, and bounded in memory.

Parent and child speak JSON, one line each way. A call that raises costs its own sample, and the child goes on. A call that
runs out of time costs its own sample too, which is marked unscored with status "timeout" and a key by which a replay marks
it again; the child ends with all that it started, and the next sample starts a fresh one.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import IO

from pydantic import Field, JsonValue

from lingshu_train.errors import RecipeError
from lingshu_train.naming import canonical, digest, file_digest
from lingshu_train.record import Completion, Sample, Score
from lingshu_train.rewards._supervise import END
from lingshu_train.rewards._values import INVALID, score_of
from lingshu_train.rewards._worker import RAISED, READY, plain
from lingshu_train.schema import Strict

_LOAD_S = 60.0
_END_S = 15.0
"""How long the supervisor may take to end what the reward started; longer than it looks for them itself."""
_LONGEST = 1 << 20
"""Bytes of a reply."""
_WORKER = "lingshu_train.rewards._worker"


class Limits(Strict):
    """What a reward of your own may use. What takes more is unscored, and counted."""

    wall_s: float = Field(default=2.0, gt=0)
    """Seconds that one call may take."""
    memory_mb: int = Field(default=2048, ge=64)
    """Megabytes of address space of its process."""


class _Ended(Exception):
    """The child is gone or of no use: its status ("timeout", "crashed" or "raised"), and why where it could say so."""

    def __init__(self, status: str, why: str = "") -> None:
        super().__init__(status)
        self.status, self.why = status, why


class Isolated:
    """Scores samples with the `score` function of a user's file, one process, restarted when it dies."""

    def __init__(
        self,
        file: Path,
        params: Mapping[str, JsonValue],
        *,
        limits: Limits,
        known_timeouts: Collection[str] = (),
    ) -> None:
        self._file = file.resolve()
        self._params = params
        self._limits = limits
        self._known = frozenset(known_timeouts)
        self._content = file_digest(self._file)
        self._child: subprocess.Popen[bytes] | None = None
        self._errors: IO[bytes] | None = None

    def start(self, *, where: str) -> None:
        """Load the file now, so that one that cannot be loaded is told before anything is trained.

        Raises RecipeError with what the user's own code raised; `where` is the key of the recipe that names it.
        """
        if self._child is not None:
            return
        try:
            self._start()
        except _Ended as ended:
            why = self._why(ended)
            self.close()
            took = f"took more than {_LOAD_S:g} s" if ended.status == "timeout" else "ended"
            raise RecipeError(
                f"{where}: {self._file} cannot be loaded: {why or f'its process {took}'}"
            ) from None

    def score(self, sample: Sample, completion: Completion) -> Score:
        """The user's score, or unscored with status "timeout", "crashed", "raised", "invalid" or "out_of_range"."""
        data = {"sample": plain(sample), "completion": plain(completion), "params": dict(self._params)}
        key = digest({"reward": self._content, "call": data})
        if key in self._known:
            return Score(value=None, status="timeout", detail={"key": key, "replayed": True})
        try:
            if self._child is None:
                self._start()
            reply = self._exchange(canonical(data), self._limits.wall_s)
        except _Ended as ended:
            why = (
                f"took more than {self._limits.wall_s:g} s" if ended.status == "timeout" else self._why(ended)
            )
            self.close()
            return Score(value=None, status=ended.status, detail={"key": key, "why": why})
        return _score(reply)

    def close(self) -> None:
        """End the process and whatever it started, what left its session too."""
        self._end()
        if self._child is not None:
            for stream in (self._child.stdin, self._child.stdout, self._errors):
                if stream is not None:
                    with contextlib.suppress(BrokenPipeError):
                        stream.close()
        self._child = self._errors = None

    def _end(self) -> None:
        """Ask the supervisor to end all below it, and wait until it has."""
        if self._child is None:
            return
        with contextlib.suppress(ProcessLookupError):
            self._child.send_signal(END)
        try:
            self._child.wait(_END_S)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._child.pid, signal.SIGKILL)
            self._child.wait()

    def _start(self) -> None:
        root = Path(__file__).resolve().parents[2]
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the child
        self._child = subprocess.Popen(
            [sys.executable, "-m", _WORKER, str(self._file), str(self._limits.memory_mb)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            start_new_session=True,
            env={
                "PATH": "/usr/bin:/bin",
                "PYTHONPATH": str(root),
                "PYTHONHASHSEED": "0",
                "OMP_NUM_THREADS": "1",
            },
        )
        first = _parsed(self._line(_LOAD_S))
        if first != READY:
            raise _Ended(RAISED, str(first.get(RAISED, "")) if isinstance(first, dict) else "")

    def _exchange(self, line: str, seconds: float) -> str:
        assert self._child is not None and self._child.stdin is not None
        try:
            self._child.stdin.write(line.encode() + b"\n")
            self._child.stdin.flush()
        except BrokenPipeError:
            raise _Ended("crashed") from None
        return self._line(seconds)

    def _line(self, seconds: float) -> str:
        """One line from the child within `seconds`."""
        assert self._child is not None and self._child.stdout is not None
        deadline = time.monotonic() + seconds
        handle = self._child.stdout.fileno()
        parts: list[bytes] = []
        size = 0
        with selectors.DefaultSelector() as waiting:
            waiting.register(handle, selectors.EVENT_READ)
            while not parts or not parts[-1].endswith(b"\n"):
                left = deadline - time.monotonic()
                if left <= 0 or not waiting.select(left):
                    raise _Ended("timeout")
                part = os.read(handle, 1 << 16)
                if not part:
                    raise _Ended("crashed")
                parts.append(part)
                size += len(part)
                if size > _LONGEST:
                    raise _Ended("crashed", f"wrote more than {_LONGEST:,} bytes for one reply")
        return b"".join(parts).decode("utf-8", "replace").strip()

    def _why(self, ended: _Ended) -> str:
        """What the child said of its end, or what the supervisor says of it once it has ended the rest."""
        if ended.status == "crashed" and not ended.why and self._child is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._child.wait(_END_S)
        self._end()
        return ended.why or self._last_error()

    def _last_error(self) -> str:
        if self._errors is None:
            return ""
        self._errors.seek(0, os.SEEK_END)
        self._errors.seek(max(0, self._errors.tell() - 4096))
        lines = self._errors.read().decode("utf-8", "replace").strip().splitlines()
        return lines[-1][:300] if lines else ""


def _score(reply: str) -> Score:
    """What the child said, looked at once more: the user's code could have written it itself."""
    found = _parsed(reply)
    if not isinstance(found, dict):
        return Score(value=None, status=INVALID, detail={"why": f"replied {reply[:80]!r}"})
    return score_of(found)


def _parsed(line: str) -> object:
    """The JSON in a line, None where there is none."""
    try:
        found: object = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found
