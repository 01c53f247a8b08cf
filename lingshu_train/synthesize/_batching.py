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

from lingshu_train.errors import NotPermitted
from lingshu_train.naming import digest
from lingshu_train.rollouts import Outage, Refused, Unreadable, _talk
from lingshu_train.rollouts._batches import OVER, Batch, Batches, Fault, Result
from lingshu_train.rollouts._talk import Lost
from lingshu_train.synthesize import _request
from lingshu_train.synthesize._cache import Reply, Sent
from lingshu_train.synthesize._client import AGAIN, REFUSES, Client
from lingshu_train.synthesize._desk import Desk, Dropped
from lingshu_train.synthesize._pipelines import Loaded
from lingshu_train.synthesize._request import Ask
from lingshu_train.synthesize._units import Units

_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.5, 60.0
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
        left, lines, asks = self.client.room(), list[bytes](), dict[str, Ask]()
        size = 0
        for name, ask in wanted.items():
            left -= ask.about + ask.max_tokens
            if left < 0 and (lines or self.client.under_way()):
                break
            self.client.check()
            line = self._line(name, ask)
            if lines and size + len(line) > self._own.most_bytes:
                self._batch(lines, asks)
                lines, asks, size = [], {}, 0
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
            if batch is None:
                # It was written down and never made: its requests are asked for again.
                self.client.forget(one)
                continue
            self._take(server, one, self._over(server, batch))
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
        sent = Sent(token=token, stage=self.client.stage, url=server.params.url, steps=json.dumps(steps))
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

    def _over(self, server: Batches, batch: Batch) -> Batch:
        while batch.status not in OVER:
            time.sleep(self._own.poll_s)
            batch = self._patiently(partial(server.look, batch.id))
        return batch

    def _found(self, server: Batches, sent: Sent) -> Batch | None:
        if sent.id:
            return self._patiently(lambda: server.look(sent.id))
        return self._patiently(lambda: server.find(sent.token))

    def _take(self, server: Batches, sent: Sent, batch: Batch) -> None:
        """Keep the replies, and count what none came of. Refused: the server takes no such batch."""
        steps: dict[str, tuple[str, bool]] = json.loads(sent.steps)

        def every() -> list[Result]:
            return list(server.results(batch))

        found = {one.name: one for one in self._patiently(every) if one.name in steps}
        for name, (step, formed) in steps.items():
            why = self._keep(found[name], step, formed) if name in found else batch.complaint or batch.status
            if why:
                self._tries[name] += 1
                self.client.counts.repeated += 1
                if self._tries[name] >= self.client.teacher.tries:
                    self._given_up.add(name)
        self.client.forget(sent)
        if batch.status == "failed":
            raise Refused(
                f"{server.params.url}: the batch {batch.id} failed: {batch.complaint or 'no reason given'}"
            )

    def _keep(self, result: Result, step: str, formed: bool) -> str:
        """Why there is nothing to keep; empty where a reply is kept."""
        reply = _talk.Reply(status=result.status, text=result.text)
        tries = self._tries[result.name] + 1
        if result.status == 200:
            try:
                said = _talk.said(result.text)
            except Unreadable as fault:
                return str(fault)
            self.client.keep(result.name, self.client.reply(said, tries=tries), step=step)
            return ""
        if result.status in (401, 403):
            raise NotPermitted(f"{self.client.teacher.urls[0]}: the server answers {reply.complaint}")
        if result.status not in REFUSES or (formed and self.client.weaker(reply.complaint)):
            return f"the server answers {reply.complaint}"
        refused = Reply(text=f"the server answers {reply.complaint}", refused=True, tries=tries)
        self.client.keep(result.name, refused, step=step)
        return ""

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
            time.sleep(wait * random.uniform(0.5, 1.0))
            wait = min(2 * wait, _LONGEST_WAIT_S)
        raise Outage(
            f"{self.client.teacher.urls[0]}: no answer after {self.client.teacher.tries} tries ({why}); {AGAIN}"
        )
