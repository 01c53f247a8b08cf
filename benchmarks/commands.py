"""Commands that a check runs: to their end, or until something has happened. What one said is told where it ended otherwise."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil


class Wrong(Exception):
    """A check did not find what it has to."""


def lingshu(*words: str, limit_s: float) -> str:
    """What a command of ours said; Wrong where it did not end with 0."""
    return ended([sys.executable, "-m", "lingshu_train", *words], limit_s=limit_s)


def ended(command: list[str], *, limit_s: float, environment: dict[str, str] | None = None) -> str:
    """What a command said; Wrong where it did not end with 0, TimeoutExpired where it did not end."""
    done = subprocess.run(
        command,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=limit_s,
        check=False,
    )
    if done.returncode:
        raise Wrong(f"{' '.join(command[1:4])} ended with {done.returncode}: {done.stdout[-1500:]}")
    return done.stdout


@dataclass(frozen=True, slots=True)
class Started:
    """A command of ours that goes on; what it says is in `log`."""

    process: subprocess.Popen[bytes]
    log: Path

    @property
    def said(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")[-1500:]

    @property
    def rank(self) -> psutil.Process:
        """The one rank that it has started."""
        children = psutil.Process(self.process.pid).children(recursive=True)
        return next(one for one in children if "lingshu_train.running.worker" in one.cmdline())

    def wait(self, happened: Callable[[], bool], *, until: float) -> None:
        """Until something has happened, or a moment of the monotonic clock, when it is killed."""
        while not happened():
            if self.process.poll() is not None:
                raise Wrong(f"ended with {self.process.returncode} before it was stopped: {self.said}")
            if time.monotonic() > until:
                self.kill()
                raise Wrong("the time is up")
            time.sleep(0.02)

    def kill(self) -> None:
        """With all that it has started."""
        first = psutil.Process(self.process.pid)
        for process in (*first.children(recursive=True), first):
            process.kill()
        self.process.wait()


def start(*words: str, log: Path) -> Started:
    with log.open("wb") as stream:
        command = [sys.executable, "-m", "lingshu_train", *words]
        return Started(subprocess.Popen(command, stdout=stream, stderr=subprocess.STDOUT), log)
