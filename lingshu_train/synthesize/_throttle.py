"""How many requests are under way at a server: found out, one more after a while of success, fewer after a fault."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

START = 8.0
_MORE_AFTER, _FEWER = 5, 0.75
"""Successes after which there may be one request more, as many at least as are under way; and the share that is left after a
fault."""


class Throttle:
    """Bounds the requests of many threads (additive increase, multiplicative decrease)."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.limit = min(START, float(most))
        self._turn = threading.Condition()
        self._under_way, self._good = 0, 0
        self._quiet_until, self._lowered = 0.0, 0.0

    @property
    def room(self) -> float:
        """Requests that could begin now."""
        return self.limit - self._under_way

    @contextmanager
    def turn(self) -> Iterator[float]:
        """Waits until a request may begin; yields the time at which it did."""
        with self._turn:
            while self._under_way >= max(1, int(self.limit)) or time.monotonic() < self._quiet_until:
                self._turn.wait(timeout=max(0.01, min(1.0, self._quiet_until - time.monotonic())))
            self._under_way += 1
        try:
            yield time.monotonic()
        finally:
            with self._turn:
                self._under_way -= 1
                self._turn.notify()

    def went_well(self) -> None:
        with self._turn:
            self._good += 1
            if self._good >= max(_MORE_AFTER, self.limit) and self.limit < self._most:
                self.limit, self._good = min(self.limit + 1, float(self._most)), 0
                self._turn.notify()

    def too_much(self, begun: float, *, quiet: float = 0.0) -> None:
        """A request that began at `begun` was turned away. Those under way with it say the same thing, and count once. `quiet`:
        seconds for which the server asks to be left alone."""
        with self._turn:
            self._good = 0
            if begun >= self._lowered:
                self.limit, self._lowered = max(1.0, self.limit * _FEWER), time.monotonic()
            self._quiet_until = max(self._quiet_until, time.monotonic() + quiet)
