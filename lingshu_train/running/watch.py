"""When does a rank stand still? Judged by its launcher, from the signs it gives and from what the system says of it."""

from __future__ import annotations

import os
import statistics
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from lingshu_train import pulse
from lingshu_train.runs.cluster import Cluster

TIMES, LEAST_S = 10.0, 60.0
"""A window of steps stands still after so many times the median, and not before so many seconds."""
KNOWN = 3
"""Windows from which on there is a median. The first of them load kernels and fill caches."""
LOOK_S = 1.0
"""How often the system is asked whether a process is stopped."""
GAP_S = 5.0
"""A launcher that did not come round for so long was stopped itself: nothing is to be concluded from that time."""


@dataclass
class Watch:
    """One rank's signs. `pipe`: where they are read, not blocking. Time is monotonic seconds."""

    pid: int
    pipe: int
    cluster: Cluster
    since: float | None = None
    spent: float = 0.0
    stopped: float | None = None
    looked: float = field(default_factory=time.monotonic)
    windows: deque[float] = field(default_factory=lambda: deque(maxlen=101))

    def still(self, now: float) -> str:
        """Why this rank is taken to stand still; empty where it is not. To be asked a few times a second."""
        self._read(now)
        if self.cluster.step_timeout == "none":
            return ""
        if now - self.looked > GAP_S:
            self.since, self.stopped = self.since and now, None
        if now - self.looked >= LOOK_S:
            self.stopped = (self.stopped or now) if _is_stopped(self.pid) else None
            self.looked = now
        least = LEAST_S if self.cluster.step_timeout == "auto" else self.cluster.step_timeout
        if self.stopped is not None and now - self.stopped >= least:
            return f"stopped by a signal for {now - self.stopped:.0f} s"
        took = self.spent + now - self.since if self.since is not None else 0.0
        if took >= self.limit:
            return f"a step has not ended for {took:.0f} s"
        return ""

    @property
    def limit(self) -> float:
        """Seconds that a window of steps may take."""
        if isinstance(self.cluster.step_timeout, float | int):
            return float(self.cluster.step_timeout)
        if len(self.windows) < KNOWN:
            return self.cluster.collective_timeout
        return max(TIMES * statistics.median(self.windows), LEAST_S)

    def close(self) -> None:
        os.close(self.pipe)

    def _read(self, now: float) -> None:
        signs = b""
        with suppress(BlockingIOError):
            signs = os.read(self.pipe, 65536)
        for number in signs:
            sign = bytes([number])
            if sign == pulse.BEGUN:
                self.spent = 0.0
            elif self.since is not None:
                self.spent += now - self.since
            if sign == pulse.ENDED:
                self.windows.append(self.spent)
            self.since = now if sign in (pulse.BEGUN, pulse.GOES_ON) else None


def _is_stopped(pid: int) -> bool:
    """By SIGSTOP, a terminal or a debugger. A system without /proc cannot say, and then only steps are timed."""
    try:
        state = (
            Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        )
    except OSError:
        return False
    return state[:1] in (["T"], ["t"])
