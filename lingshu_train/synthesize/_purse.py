"""What a stage has spent on teachers, and when that is enough."""

from __future__ import annotations

import threading

from lingshu_train.errors import RunAgain
from lingshu_train.synthesize._cache import Cache, Reply, Spent
from lingshu_train.synthesize._settings import Budget


class Exhausted(RunAgain):
    """The budget is used up. Every reply is kept."""


class Purse:
    """Counts what is spent by many threads. What is under way when it is empty is still paid for: a request a turn at most.
    Of batches the most that they may cost is held back from when they are sent until all that came of them is paid."""

    def __init__(self, budget: Budget, cache: Cache, *, stage: str) -> None:
        self._budget, self._lock, self._stage = budget, threading.Lock(), stage
        before = cache.spent(stage) if budget.each == "stage" else Spent()
        self._tokens, self._money = before.tokens, before.money
        self._held: dict[str, Spent] = {}
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

    def hold(self, token: str, most: Spent) -> None:
        """A batch is under way, by its token, that may cost so much."""
        with self._lock:
            self._held[token] = most

    def release(self, token: str) -> None:
        with self._lock:
            self._held.pop(token, None)

    def fits(self, more: Spent) -> bool:
        """Whether so much may be sent as well, were all that is under way to cost the most it can."""
        with self._lock:
            tokens = self._tokens + sum(one.tokens for one in self._held.values()) + more.tokens
            money = self._money + sum(one.money for one in self._held.values()) + more.money
        return not (
            (self._budget.tokens and tokens > self._budget.tokens)
            or (self._budget.money and money > self._budget.money)
        )

    @property
    def holds(self) -> bool:
        """Whether anything is held back."""
        return bool(self._held)

    def pay(self, reply: Reply) -> None:
        with self._lock:
            tokens = reply.tokens_in + reply.tokens_out
            self._tokens, self._money = self._tokens + tokens, self._money + reply.money
            self.now = Spent(tokens=self.now.tokens + tokens, money=self.now.money + reply.money)
