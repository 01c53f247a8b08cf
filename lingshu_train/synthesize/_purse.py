"""What a stage has spent on teachers, and when that is enough."""

from __future__ import annotations

import math
import threading

from lingshu_train.errors import RunAgain
from lingshu_train.synthesize._cache import Cache, Reply, Spent
from lingshu_train.synthesize._settings import Budget


class Exhausted(RunAgain):
    """The budget is used up. Every reply is kept."""


class Purse:
    """Counts what is spent by many threads. What is under way when it is empty is still paid for: a request a turn at most."""

    def __init__(self, budget: Budget, cache: Cache, *, stage: str) -> None:
        self._budget, self._lock, self._stage = budget, threading.Lock(), stage
        before = cache.spent(stage) if budget.each == "stage" else Spent()
        self._tokens, self._money = before.tokens, before.money
        self.now = Spent()

    def check(self) -> None:
        """Exhausted (75): nothing more may be asked."""
        with self._lock:
            for name, most, spent in (
                ("tokens", self._budget.tokens, self._tokens),
                ("money", self._budget.money, self._money),
            ):
                if most and spent >= most:
                    raise Exhausted(
                        f"stages.{self._stage}.budget.{name}: {spent:,.6g} of {most:,.6g} are spent; every reply is kept; "
                        + (
                            "run the same command again to go on"
                            if self._budget.each == "start"
                            else f"run the same command with a larger stages.{self._stage}.budget.{name} to go on"
                        )
                    )

    def room(self) -> float:
        """Tokens that may still be spent; infinite where no bound is set. Of money `check` alone knows."""
        with self._lock:
            return self._budget.tokens - self._tokens if self._budget.tokens else math.inf

    def pay(self, reply: Reply) -> None:
        with self._lock:
            tokens = reply.tokens_in + reply.tokens_out
            self._tokens, self._money = self._tokens + tokens, self._money + reply.money
            self.now = Spent(tokens=self.now.tokens + tokens, money=self.now.money + reply.money)
