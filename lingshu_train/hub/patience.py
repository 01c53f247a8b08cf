"""Trying again after a passing fault. urllib3's Retry counts the tries, spaces them and reads Retry-After; what is added here:
every wait is said, another thread can end it, and a try that got further starts the count anew."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from urllib3.exceptions import InvalidHeader, MaxRetryError
from urllib3.util import Retry

from lingshu_train.errors import RunAgain

PASSING = (408, 425, 429, 500, 502, 503, 504)
"""Answers that may be another one a little later. All others stay as they are however often one asks."""

RETRY = Retry(total=5, backoff_factor=2.5, backoff_jitter=1.0)
"""At once, then after about 5, 10, 20 and 40 s: a line that broke is mostly back at once, a server that restarts within a
minute. The jitter keeps the threads of one download from coming back in step."""

LONGEST = 300.0
"""Seconds. Where a server asks for more, nobody should watch a terminal: the same command goes on later."""

T = TypeVar("T")


class Busy(RunAgain):
    """The server says after how many seconds it may be asked again."""

    def __init__(self, message: str, after: float) -> None:
        super().__init__(message)
        self.after = after


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How often and how long to wait, who is told, and how to sleep."""

    retry: Retry = field(default_factory=lambda: RETRY)
    sleep: Callable[[float], object] = time.sleep
    say: Callable[[str], None] = lambda line: None

    def through(self, call: Callable[[], T], *, progress: Callable[[], int] = lambda: 0) -> T:
        """What `call` returns, called again after each RunAgain until the tries are used up.

        A try after which `progress` is higher than before was a step ahead: the tries are counted anew.
        """
        left = self.retry
        while True:
            had = progress()
            try:
                return call()
            except RunAgain as fault:
                left = self._wait(self.retry if progress() > had else left, fault)

    def _wait(self, left: Retry, fault: RunAgain) -> Retry:
        asked = fault.after if isinstance(fault, Busy) else 0.0
        if asked > LONGEST:
            raise RunAgain(
                f"{fault}, and asks for {asked:,.0f} s of rest; run the same command again then"
            ) from None
        try:
            left = left.increment()
        except MaxRetryError:
            raise fault from None
        seconds = max(asked, left.get_backoff_time())
        self.say(f"{fault}; trying again" + (f" in {seconds:.0f} s" if seconds else ""))
        self.sleep(seconds)
        return left


def passing(message: str, retry_after: str | None) -> RunAgain:
    """The fault for a passing answer with this Retry-After header: a number of seconds, a date, or none that can be read."""
    try:
        return Busy(message, RETRY.parse_retry_after(retry_after)) if retry_after else RunAgain(message)
    except InvalidHeader:
        return RunAgain(message)
