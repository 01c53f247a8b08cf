"""Rows through a pipeline in rounds: what all of them ask next goes to the server as batches, until nothing is left to ask.

A pipeline is a function of its replies. So a row is begun anew in each round, reads what was kept, and ends at the first
request that has no reply yet. There are as many rounds as the longest row has requests one after another. Which batches are
under way stands beside the replies, written down before they are made: a start after a kill asks for their results first.
"""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from lingshu_train import stopping
from lingshu_train.errors import LingshuError, NotPermitted, RunAgain
from lingshu_train.naming import digest
from lingshu_train.rollouts import Outage, Refused, Unreadable, _talk
from lingshu_train.rollouts._batches import OVER, Batch, Batches, Fault, Result
from lingshu_train.rollouts._talk import Lost
from lingshu_train.synthesize import _request
from lingshu_train.synthesize._cache import Reply, Sent, Spent
from lingshu_train.synthesize._client import AGAIN, REFUSES, Client
from lingshu_train.synthesize._desk import Desk, Dropped
from lingshu_train.synthesize._pipelines import Loaded
from lingshu_train.synthesize._request import Ask
from lingshu_train.synthesize._units import Units

_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.5, 60.0
_LOOK_S = 0.5
"""How long a request to stop may go unseen."""
_GONE = (404, 410)
"""Statuses of a server that does not have what it once had."""
T = TypeVar("T")


class Waiting(Exception):
    """A row's next request has no reply yet."""


@dataclass(slots=True)
class Round:
    """Who answers the rows of a round: what is kept, and else nobody; then the request is noted, once. `passed_over`: it is
    under way, or was given up."""

    client: Client
    passed_over: Callable[[str], bool]
    wanted: dict[str, Ask] = field(default_factory=dict)

    def answer(self, ask: Ask, example: str) -> Reply:
        del example
        name = self.client.key(ask)
        found = self.client.kept(name)
        if found is None:
            if not self.passed_over(name):
                self.wanted[name] = ask
            raise Waiting
        return found

    def key(self, ask: Ask) -> str:
        return self.client.key(ask)


def fill(units: Units, pipeline: Loaded, clients: Sequence[Client]) -> None:
    """Have every reply that can be had kept. `clients`: the teacher, and the checker, or the teacher again. Outage or Exhausted
    (75), Refused (78), NotPermitted (77)."""
    every = {id(one): Sending(one) for one in clients}
    for sending in every.values():
        sending.collect()
    while True:
        rounds = {name: Round(one.client, one.passes_over) for name, one in every.items()}
        for row in units.rows():
            desk = Desk(*(rounds[id(one)] for one in clients))
            with suppress(Dropped, Waiting):
                pipeline.make(row, desk)
            for name, one in every.items():
                if len(rounds[name].wanted) >= one.most:
                    one.send(rounds[name].wanted)
        for name, one in every.items():
            one.send(rounds[name].wanted)
        if not sum(one.collect() for one in every.values()):
            break
    for sending in every.values():
        sending.close()


class Sending:
    """The batches of one client."""

    def __init__(self, client: Client) -> None:
        self.client, teacher = client, client.teacher
        assert teacher.batch is not None
        self._own, self.most = teacher.batch, teacher.batch.most_requests
        self._servers = {one.url: Batches(one) for one in teacher.endpoints(f"stages.{client.stage}")}
        self._tries: Counter[str] = Counter()
        self._given_up: set[str] = set()
        self._flying: set[str] = set()

    def passes_over(self, name: str) -> bool:
        return name in self._given_up or name in self._flying

    def send(self, wanted: dict[str, Ask]) -> None:
        """As batches of the size that the server takes; `wanted` is empty afterwards. What the budget has no room for is not
        sent: Exhausted where that is all."""
        lines, asks, size, most = list[bytes](), dict[str, Ask](), 0, Spent()
        for name, ask in wanted.items():
            # Where nothing is under way one request is sent in any case, as over the line.
            own = self.client.most([ask])
            most = Spent(tokens=most.tokens + own.tokens, money=most.money + own.money)
            if (lines or self.client.waits) and not self.client.room_for(most):
                break
            self.client.check()
            line = self._line(name, ask)
            if lines and size + len(line) > self._own.most_bytes:
                self._batch(lines, asks)
                lines, asks, size, most = [], {}, 0, own
            lines.append(line)
            asks[name] = ask
            size += len(line)
        if lines:
            self._batch(lines, asks)
        wanted.clear()

    def collect(self) -> int:
        """Wait for all batches that are under way, and keep what they bring; how many there were."""
        sent = self.client.under_way()
        for one in sent:
            server = self._servers.get(one.url) or next(iter(self._servers.values()))
            batch = self._found(server, one)
            if batch is None and not one.id:
                # It was written down and never made: its requests are asked for again.
                self.client.forget(one)
                continue
            self._take(server, one, batch and self._over(server, batch))
        self._flying.clear()
        return len(sent)

    def close(self) -> None:
        for one in self._servers.values():
            one.close()

    def _line(self, name: str, ask: Ask) -> bytes:
        return _request.line(name, ask, model=self.client.teacher.model, structured=self.client.structured)

    def _batch(self, lines: list[bytes], asks: dict[str, Ask]) -> None:
        """Written down before it is made, so that one that was made is found by its token whatever happens in between."""
        server = self._servers[min(self._servers, key=lambda url: self.client.under_way_at(url))]
        token = digest([self.client.stage, sorted(asks), time.time_ns()])[:32]
        steps = {name: [ask.step, ask.schema is not None] for name, ask in asks.items()}
        most = self.client.most(asks.values())
        sent = Sent(
            token=token,
            stage=self.client.stage,
            url=server.params.url,
            steps=json.dumps(steps),
            client=self.client.name,
            tokens=most.tokens,
            money=most.money,
        )
        file = self._patiently(lambda: server.upload(b"".join(lines)))
        self.client.note(sent)
        self.client.counts.sent += len(asks)
        self._flying |= asks.keys()

        def once() -> Batch:
            return self._made(server, file, token)

        batch = self._patiently(once)
        self.client.note(sent.called(batch.id))

    def _made(self, server: Batches, file: str, token: str) -> Batch:
        """One more try finds what an earlier one has made, though its reply was lost."""
        found = server.find(token)
        return found or server.make(file, token=token, window=self._own.window)

    def _over(self, server: Batches, batch: Batch) -> Batch | None:
        """As it is at its end; None where the server no longer has it."""
        found: Batch | None = batch
        while found is not None and found.status not in OVER:
            _pause(self._own.poll_s)
            found = self._patiently(partial(_there, partial(server.look, batch.id)))
        return found

    def _found(self, server: Batches, sent: Sent) -> Batch | None:
        if sent.id:
            return self._patiently(partial(_there, partial(server.look, sent.id)))
        return self._patiently(partial(server.find, sent.token))

    def _take(self, server: Batches, sent: Sent, batch: Batch | None) -> None:
        """Keep the replies, and count what none came of; the server may no longer have the batch, or a file of it. Refused: the
        server takes no such batch, or no such request; NotPermitted: not with this key. By then all else is kept."""
        steps: dict[str, tuple[str, bool]] = json.loads(sent.steps)
        found: dict[str, Result] = {}
        for file in batch.files if batch else ():
            lines = self._patiently(partial(_there, partial(_results, server, file))) or []
            found |= {one.name: one for one in lines if one.name in steps}
        fault: LingshuError | None = None
        # Answers first: they say that the key and the settings are right.
        for name in sorted(steps, key=lambda name: name not in found or found[name].status != 200):
            try:
                kept = name in found and self._keeps(found[name], *steps[name])
            except (NotPermitted, Refused) as raised:
                fault, kept = raised, False
            if not kept:
                self._tries[name] += 1
                self.client.counts.repeated += 1
                if self._tries[name] >= self.client.teacher.tries:
                    self._given_up.add(name)
        self.client.forget(sent)
        if fault is not None:
            raise fault
        if batch is not None and batch.status == "failed":
            raise Refused(
                f"{server.params.url}: the batch {batch.id} failed: {batch.complaint or 'no reason given'}"
            )

    def _keeps(self, result: Result, step: str, formed: bool) -> bool:
        """Whether a reply is kept. NotPermitted, Refused: nor would one to any other request be."""
        reply = _talk.Reply(status=result.status, text=result.text)
        tries = self._tries[result.name] + 1
        if result.status == 200:
            try:
                said = _talk.said(result.text)
            except Unreadable:
                return False
            self.client.keep(result.name, self.client.reply(said, tries=tries), step=step)
            return True
        why = f"the server answers {reply.complaint}"
        if result.status == 401 or (result.status == 403 and not self.client.heard):
            raise NotPermitted(f"{self.client.teacher.urls[0]}: {why}; its key is read from token_file")
        if result.status not in (*REFUSES, 403) or (formed and self.client.weaker(reply.complaint)):
            return False
        if not self.client.heard:
            raise Refused(f"{self.client.teacher.urls[0]}: {why}")
        self.client.keep(result.name, Reply(text=why, refused=True, tries=tries), step=step)
        return True

    def _patiently(self, call: Callable[[], T]) -> T:
        """A call until it is answered. Outage (75) after all tries; NotPermitted (77) and Refused (78) at once."""
        why, wait = "", _FIRST_WAIT_S
        for _ in range(self.client.teacher.tries):
            try:
                return call()
            except Lost as fault:
                why = str(fault)
            except Unreadable as fault:
                why = str(fault)
            except Fault as fault:
                why = f"the server answers {fault.reply.complaint}"
                if fault.reply.status in (401, 403):
                    raise NotPermitted(
                        f"{self.client.teacher.urls[0]}: {why}; its key is read from token_file"
                    ) from None
                if not fault.reply.passing:
                    raise Refused(f"{self.client.teacher.urls[0]}: {why}; does it take batches?") from None
                wait = max(wait, min(fault.reply.retry_after or 0.0, _LONGEST_WAIT_S))
            _pause(wait * random.uniform(0.5, 1.0))
            wait = min(2 * wait, _LONGEST_WAIT_S)
        raise Outage(
            f"{self.client.teacher.urls[0]}: no answer after {self.client.teacher.tries} tries ({why}); {AGAIN}"
        )


def _there(call: Callable[[], T]) -> T | None:
    """What a call brings; None where the server no longer has it."""
    try:
        return call()
    except Fault as fault:
        if fault.reply.status in _GONE:
            return None
        raise


def _results(server: Batches, file: str) -> list[Result]:
    return list(server.results(file))


def _pause(seconds: float) -> None:
    """RunAgain (75) as soon as somebody asks this process to stop: what is under way is written down."""
    until = time.monotonic() + seconds
    while True:
        if stopping.asked():
            raise RunAgain(
                "told to stop while batches were under way; run the same command again, which asks for their results first"
            )
        left = until - time.monotonic()
        if left <= 0:
            return
        time.sleep(min(left, _LOOK_S))
