"""What a stage of synthesis will cost: the pipeline itself over some rows, with a teacher that only counts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from lingshu_train.data.corpus.corpus import Corpus
from lingshu_train.synthesize import _request, _units
from lingshu_train.synthesize._cache import Cache, Reply
from lingshu_train.synthesize._desk import Desk, Dropped
from lingshu_train.synthesize._pipelines import Loaded
from lingshu_train.synthesize._request import Ask
from lingshu_train.synthesize._settings import Batching, Teacher

SAMPLE = 50
"""Rows that go through the pipeline."""
_LOOKED_AT = 5_000
"""Rows of which it is asked whether the pipeline takes them: a plan takes a second."""
_BYTES = 4


@dataclass(slots=True)
class _Rounds:
    """Which requests go to a server together: a row's next one waits until the one before it is answered, whoever is asked."""

    place: int = 0
    sent: dict[tuple[int, str], list[int]] = field(default_factory=dict)
    """Of a round and a model what each request has of a batch's file, in bytes."""

    def note(self, teacher: Teacher, name: str, ask: Ask, *, new: bool) -> None:
        if new:
            size = len(_request.line(name, ask, model=teacher.model, structured=teacher.structured))
            self.sent.setdefault((self.place, teacher.model), []).append(size)
        self.place += 1

    @property
    def count(self) -> int:
        return max((place for place, _ in self.sent), default=-1) + 1

    def batches(self, sizes: Mapping[str, Batching], times: float) -> int:
        """How many batches, where there are so many times as many rows. A batch holds so many requests, and so many bytes."""
        total = 0
        for (_, model), found in self.sent.items():
            most = sizes[model]
            full = max(len(found) / most.most_requests, sum(found) / most.most_bytes)
            total += max(math.ceil(times * full), 1)
        return total


@dataclass(slots=True)
class _Counter:
    """Answers with an example, or what was answered before. `requests` are those that are still to be paid."""

    teacher: Teacher
    rounds: _Rounds
    cache: Cache | None
    means: Mapping[str, float]
    known: int = 0
    requests: int = 0
    tokens_in: float = 0.0
    tokens_out: float = 0.0
    money: float = 0.0
    seen: set[str] = field(default_factory=set)

    def key(self, ask: Ask) -> str:
        return _request.key(ask, model=self.teacher.model, revision=self.teacher.revision)

    def answer(self, ask: Ask, example: str) -> Reply:
        name = self.key(ask)
        found = self.cache.find(name) if self.cache else None
        if found is not None and not found.refused:
            self.known += 1
            return found
        new = name not in self.seen
        if self.teacher.batch:
            self.rounds.note(self.teacher, name, ask, new=new)
        if new:
            self.seen.add(name)
            out = self.means.get(ask.step, len(example.encode()) / _BYTES)
            self.requests += 1
            self.tokens_in += ask.about
            self.tokens_out += out
            self.money += (ask.about * self.teacher.price_in + out * self.teacher.price_out) / 1e6
        return Reply(text=example)


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """For all rows, as if none were dropped on the way. `sample`: the rows that it rests on. `known`: the share of requests
    that are answered already. `measured`: whether lengths of replies were met, or are those of examples."""

    rows: int
    sample: int
    requests: int
    tokens_in: int
    tokens_out: int
    money: float
    known: float
    measured: bool
    rounds: int = 0
    """In batch mode: how often all rows wait for their next reply."""
    batches: int = 0
    window: str = ""

    def __str__(self) -> str:
        if not self.sample:
            return "the pipeline takes none of the rows"
        known = f"; {self.known:.0%} of the requests are answered already" if self.known else ""
        price = f", {self.money:,.2f} in the unit of the prices" if self.money else ""
        length = "as replies so far" if self.measured else "as examples"
        return (
            f"about {self.rows:,} rows: {self.requests:,} requests, {self.tokens_in:,} tokens sent, {self.tokens_out:,} "
            f"written ({length}){price}, if no row is dropped on the way; from {self.sample} rows{known}{self._batched}"
        )

    @property
    def _batched(self) -> str:
        if not self.rounds:
            return ""
        rounds = "1 round" if self.rounds == 1 else f"{self.rounds} rounds one after another"
        batches = "1 batch" if self.batches == 1 else f"{self.batches:,} batches"
        return f"; {batches} in {rounds}, each promised within {self.window}"


def of(
    found: Corpus, pipeline: Loaded, teacher: Teacher, checker: Teacher, *, kept: Path, most: int = 0
) -> Forecast:
    """From at most 50 rows. Nothing is asked and nothing written."""
    units, share = _looked_at(found, pipeline)
    rows = round(len(units) * share)
    rows = min(rows, most) if most else rows
    sample = units.spread(SAMPLE)
    if not kept.is_file():
        return _scaled(
            _counted(sample, pipeline, teacher, checker, cache=None), rows, len(sample), measured=False
        )
    with closing(Cache(kept, looking=True)) as cache:
        counters = _counted(sample, pipeline, teacher, checker, cache=cache)
        return _scaled(counters, rows, len(sample), measured=bool(cache.written()))


def _looked_at(found: Corpus, pipeline: Loaded) -> tuple[_units.Units, float]:
    """What the pipeline takes of the first rows, and by how much there are more rows."""
    if len(found) <= _LOOKED_AT:
        return _units.of(found, pipeline), 1.0
    first = np.arange(_LOOKED_AT, dtype=np.uint32) if found.chosen is None else found.chosen[:_LOOKED_AT]
    return _units.of(replace(found, chosen=first), pipeline), len(found) / _LOOKED_AT


def _counted(
    sample: _units.Units, pipeline: Loaded, teacher: Teacher, checker: Teacher, *, cache: Cache | None
) -> tuple[_Counter, _Counter]:
    means = cache.written() if cache else {}
    rounds = _Rounds()
    first = _Counter(teacher=teacher, rounds=rounds, cache=cache, means=means)
    second = (
        first if checker == teacher else _Counter(teacher=checker, rounds=rounds, cache=cache, means=means)
    )
    for row in sample.rows():
        rounds.place = 0
        try:
            pipeline.make(row, Desk(first, second, dry=True))
        except Dropped:
            continue  # A kept reply that is in no form: the row ends there in earnest too.
    return first, second


def _scaled(counters: tuple[_Counter, _Counter], rows: int, sample: int, *, measured: bool) -> Forecast:
    both = counters if counters[0] is not counters[1] else counters[:1]
    times = rows / sample if sample else 0.0
    asked = sum(one.requests + one.known for one in both)
    rounds, batch = both[0].rounds, both[0].teacher.batch
    sizes = {one.teacher.model: one.teacher.batch for one in both if one.teacher.batch}
    return Forecast(
        rows=rows,
        sample=sample,
        requests=round(times * sum(one.requests for one in both)),
        tokens_in=round(times * sum(one.tokens_in for one in both)),
        tokens_out=round(times * sum(one.tokens_out for one in both)),
        money=times * sum(one.money for one in both),
        known=sum(one.known for one in both) / asked if asked else 0.0,
        measured=measured,
        rounds=rounds.count,
        batches=rounds.batches(sizes, times),
        window=batch.window if batch else "",
    )
