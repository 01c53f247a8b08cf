"""A user's reward file in a process of its own: killed when it hangs, and bounded in memory.

Parent and child speak JSON, one line each way. A call that runs out of time costs its own sample, which is
marked unscored with status "timeout" and a key by which a replay marks it again. The child also ends on any
error of the user's code; the next sample starts a fresh one.
"""

from __future__ import annotations

import contextlib
import json
import math
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

from lingshu_train.naming import canonical, digest, file_digest
from lingshu_train.record import Completion, Sample, Score
from lingshu_train.rewards._worker import READY, plain
from lingshu_train.schema import Strict

_LOAD_S = 60.0
_WORKER = "lingshu_train.rewards._worker"


class Limits(Strict):
    """What a reward of your own may use. What takes more is unscored, and counted."""

    wall_s: float = Field(default=2.0, gt=0)
    """Seconds that one call may take."""
    memory_mb: int = Field(default=2048, ge=64)
    """Megabytes of address space of its process."""


class _Ended(Exception):
    """The child is gone: its status ("timeout" or "crashed")."""


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

    def score(self, sample: Sample, completion: Completion) -> Score:
        """The user's score, or unscored with status "timeout", "crashed" or "invalid"."""
        data = {"sample": plain(sample), "completion": plain(completion), "params": dict(self._params)}
        key = digest({"reward": self._content, "call": data})
        if key in self._known:
            return Score(value=None, status="timeout", detail={"key": key, "replayed": True})
        try:
            if self._child is None:
                self._start()
            reply = self._exchange(canonical(data), self._limits.wall_s)
        except _Ended as ended:
            why = self._last_error()
            self.close()
            return Score(value=None, status=str(ended), detail={"key": key, "why": why})
        return _score(reply)

    def close(self) -> None:
        """Kill the process and whatever it started."""
        if self._child is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._child.pid, signal.SIGKILL)
            self._child.wait()
            for stream in (self._child.stdin, self._child.stdout, self._errors):
                if stream is not None:
                    with contextlib.suppress(BrokenPipeError):
                        stream.close()
        self._child = self._errors = None

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
        if self._line(_LOAD_S) != READY:
            raise _Ended("crashed")

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
        return b"".join(parts).decode("utf-8", "replace").strip()

    def _last_error(self) -> str:
        if self._errors is None:
            return ""
        self._errors.seek(0, os.SEEK_END)
        self._errors.seek(max(0, self._errors.tell() - 4096))
        lines = self._errors.read().decode("utf-8", "replace").strip().splitlines()
        return lines[-1][:300] if lines else ""


def _score(reply: str) -> Score:
    """A number, or {"value", "status", "detail"}; anything else is unscored with status "invalid"."""
    try:
        found = json.loads(reply)
    except ValueError:
        return Score(value=None, status="invalid", detail={"reply": reply[:200]})
    fields = found if isinstance(found, dict) else {"value": found, "status": "scored"}
    value, status, detail = fields.get("value"), fields.get("status", "scored"), fields.get("detail", {})
    number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not (number or value is None) or not isinstance(status, str) or not isinstance(detail, dict):
        return Score(value=None, status="invalid", detail={"reply": reply[:200]})
    return Score(value=None if value is None else float(value), status=status, detail=detail)
