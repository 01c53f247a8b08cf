"""A teacher as pipelines ask it: from what was answered before, else over the line, patiently, within the budget."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from lingshu_train.errors import NotPermitted
from lingshu_train.naming import canonical
from lingshu_train.rollouts import Outage, Refused, Unreadable, _talk
from lingshu_train.rollouts._talk import Lost, Talk
from lingshu_train.synthesize import _request
from lingshu_train.synthesize._cache import Cache, Reply, Sent, Spent
from lingshu_train.synthesize._purse import Purse
from lingshu_train.synthesize._request import Ask
from lingshu_train.synthesize._settings import Teacher
from lingshu_train.synthesize._throttle import Throttle

AGAIN = "every reply is kept; run the same command again to go on"
TEACHER, CHECKER = "teacher", "checker"
"""What a client is to its stage."""
MOST_FAILURES = 20
"""Requests that may end without an answer one after another, none between them with one: then nobody is there."""
REFUSES = (400, 413, 422)
"""Statuses of a server that will not answer this request, though it may another."""
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.5, 60.0


class Unanswered(Outage):
    """One request has no answer after all tries; others may have."""


@dataclass(slots=True)
class Counts:
    """What went over the line since the start: `sent` requests in all, those that were `repeated`, and what was `kept` from
    before and not asked."""

    sent: int = 0
    repeated: int = 0
    kept: int = 0
    failures: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


class Client:
    """Asks each request once, whatever thread or start of the stage comes with it."""

    def __init__(
        self, teacher: Teacher, cache: Cache, purse: Purse, *, stage: str, role: str = TEACHER
    ) -> None:
        """`role`: what it is to the stage, teacher or checker, which may both ask one server."""
        self.teacher, self.counts = teacher, Counts()
        self._cache, self._purse, self.stage = cache, purse, stage
        self._lines: Sequence[tuple[Talk, Throttle]] = [
            (Talk(one), Throttle(teacher.parallel)) for one in teacher.endpoints(f"stages.{stage}")
        ]
        self.structured: str = teacher.structured
        self._under_way: dict[str, Future[Reply]] = {}
        self._lock, self._answered = threading.Lock(), False
        self._role = role
        for sent in self.under_way():
            purse.hold(sent.token, Spent(tokens=sent.tokens, money=sent.money))

    @property
    def at_once(self) -> int:
        """Requests that may be under way now, over all servers."""
        return sum(int(throttle.limit) for _, throttle in self._lines)

    @property
    def name(self) -> str:
        """By which its batches are told from those of others at the same servers."""
        return canonical([self._role, self.teacher.model, self.teacher.revision])

    @property
    def heard(self) -> bool:
        """Whether anything was ever answered, so that the settings are right: now, or before this start."""
        return self._answered or bool(self.counts.kept)

    def key(self, ask: Ask) -> str:
        return _request.key(ask, model=self.teacher.model, revision=self.teacher.revision)

    def answer(self, ask: Ask) -> Reply:
        """The reply, on disk by then. Unanswered or Outage (75), Exhausted (75), Refused (78), NotPermitted (77)."""
        name = self.key(ask)
        with self._lock:
            mine = name not in self._under_way
            promise = self._under_way.setdefault(name, Future())
        if not mine:
            return promise.result()
        try:
            found = self._cache.find(name)
            if found is not None:
                with self.counts.lock:
                    self.counts.kept += 1
            elif self.teacher.batch is not None:
                # All that could be had was asked before (_batching.py).
                raise Unanswered(f"{self.teacher.urls[0]}: no answer in {self.teacher.tries} batches")
            else:
                found = self._asked(ask)
                self.keep(name, found, step=ask.step)
        except BaseException as fault:
            promise.set_exception(fault)
            raise
        else:
            promise.set_result(found)
            return found
        finally:
            with self._lock:
                del self._under_way[name]

    def kept(self, name: str) -> Reply | None:
        found = self._cache.find(name)
        self._answered = self._answered or (found is not None and not found.refused)
        return found

    def keep(self, name: str, reply: Reply, *, step: str) -> None:
        """On disk, and paid, when this returns."""
        self._cache.keep(name, reply, stage=self.stage, step=step)
        self._purse.pay(reply)
        self._answered = self._answered or not reply.refused

    def reply(self, said: _talk.Said, *, tries: int) -> Reply:
        """What was said, with what it costs."""
        return Reply(
            text=said.text,
            finish=said.finish,
            tokens_in=said.tokens_in,
            tokens_out=said.tokens_out,
            money=self.teacher.money(said.tokens_in, said.tokens_out),
            model=said.model,
            tries=tries,
        )

    def check(self) -> None:
        """Exhausted (75): nothing more may be asked."""
        self._purse.check()

    def most(self, asks: Iterable[Ask]) -> Spent:
        """What these may cost, by the limit of each reply."""
        every = list(asks)
        tokens_in, tokens_out = sum(one.about for one in every), sum(one.max_tokens for one in every)
        return Spent(tokens=tokens_in + tokens_out, money=self.teacher.money(tokens_in, tokens_out))

    def room_for(self, more: Spent) -> bool:
        """Whether the budget has room for it beside all batches of the stage that are under way, whoever sent them."""
        return self._purse.fits(more)

    @property
    def waits(self) -> bool:
        """Whether a batch of the stage is under way."""
        return self._purse.holds

    def note(self, sent: Sent) -> None:
        self._cache.note(sent)
        self._purse.hold(sent.token, Spent(tokens=sent.tokens, money=sent.money))

    def forget(self, sent: Sent) -> None:
        self._cache.forget(sent)
        self._purse.release(sent.token)

    def under_way(self) -> list[Sent]:
        """Batches of this stage that this client sent to its servers. One without a name is of an earlier version, and counts
        as the teacher's."""
        own = {url.rstrip("/") for url in self.teacher.urls}
        names = {self.name, ""} if self._role == TEACHER else {self.name}
        return [one for one in self._cache.under_way(self.stage) if one.url in own and one.client in names]

    def under_way_at(self, url: str) -> int:
        return sum(one.url == url for one in self.under_way())

    def weaker(self, complaint: str) -> bool:
        """Whether the way in which the form was asked for was refused, so that the next weaker one is asked from now on."""
        return self._weaker(self.structured, complaint)

    def close(self) -> None:
        for talk, _ in self._lines:
            talk.close()

    def _asked(self, ask: Ask) -> Reply:
        """Send it, and send it again after a passing fault."""
        why, wait = "", _FIRST_WAIT_S
        for number in range(1, self.teacher.tries + 1):
            self._purse.check()
            talk, throttle = max(self._lines, key=lambda line: line[1].room)
            with self.counts.lock:
                self.counts.sent += 1
                self.counts.repeated += number > 1
            with throttle.turn() as begun:
                found, why = self._once(ask, talk, throttle, begun=begun, tries=number)
            if found is not None:
                self._answered = True
                with self.counts.lock:
                    self.counts.failures = 0
                return found
            if number < self.teacher.tries:
                # Spread, so that requests which were turned away together do not come back together.
                time.sleep(wait * random.uniform(0.5, 1.0))
                wait = min(2 * wait, _LONGEST_WAIT_S)
        with self.counts.lock:
            self.counts.failures += 1
            gone = self.counts.failures >= MOST_FAILURES or not self.heard
        told = f"{self.teacher.urls[0]}: no answer after {self.teacher.tries} tries ({why})"
        raise Outage(f"{told}; {AGAIN}") if gone else Unanswered(told)

    def _once(
        self, ask: Ask, talk: Talk, throttle: Throttle, *, begun: float, tries: int
    ) -> tuple[Reply | None, str]:
        """A reply, or none and why."""
        structured = self.structured
        sent = _request.body(ask, model=self.teacher.model, structured=structured)
        try:
            reply = talk.post(_request.sent(sent))
            if reply.status == 200:
                said = _talk.said(reply.text)
                throttle.went_well()
                return self.reply(said, tries=tries), ""
        except Lost as fault:
            if fault.late:
                throttle.too_much(begun)
            return None, str(fault)
        except Unreadable as fault:
            return None, str(fault)
        if reply.passing:
            if reply.status in (429, 503):
                throttle.too_much(begun, quiet=min(reply.retry_after or 0.0, _LONGEST_WAIT_S))
            return None, f"the server answers {reply.complaint}"
        if reply.status in REFUSES and ask.schema is not None and self._weaker(structured, reply.complaint):
            return None, f"the server answers {reply.complaint}"
        return self._refusal(talk, reply, tries), ""

    def _refusal(self, talk: Talk, reply: _talk.Reply, tries: int) -> Reply:
        """A reply that says so; raises where no request would be answered."""
        why = f"{talk.params.url}: the server answers {reply.complaint}"
        if reply.status in (401, 403):
            raise NotPermitted(f"{why}; its key is read from token_file")
        if reply.status not in REFUSES or not self.heard:
            raise Refused(why)
        return Reply(text=f"the server answers {reply.complaint}", refused=True, tries=tries)

    def _weaker(self, structured: str, complaint: str) -> bool:
        """Whether the server refused the way in which the form was asked for: then the next weaker one from now on."""
        low = complaint.casefold()
        if structured == "none" or not any(
            word in low for word in ("response_format", "json_schema", "schema", "guided")
        ):
            return False
        with self._lock:
            if self.structured == structured:
                self.structured = "json_object" if structured == "json_schema" else "none"
        return True
