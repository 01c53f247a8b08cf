"""What a benchmark and a training card that are read from one folder have in common."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from lingshu_train.data.cards import card as cards
from lingshu_train.data.cards.card import Card
from lingshu_train.data.checks.pictures import Examined, Pictures
from lingshu_train.data.checks.seen import Occurrence, Seen
from lingshu_train.data.rows import reading
from lingshu_train.data.rows.row import Row
from lingshu_train.errors import DataError, MissingInput, RecipeError


def others(card: Card, folder: Path | None) -> list[Card]:
    """Benchmarks in a training card's data folder, and training cards in a benchmark's."""
    every = (cards.load(name, folder=folder) for name in cards.names(folder))
    return [
        other
        for other in every
        if {card.lingshu.role, other.lingshu.role} == {"training", "benchmark"}
        and other.folder(Path()) == card.folder(Path())
    ]


def shared(card: Card, other: Card, root: Path, seen: Seen) -> Iterator[str]:
    """One line for what both hold (groups, pictures), after `seen` has met all of `card`; one for what cannot be told."""
    found = _Common(card=card, other=other, seen=seen)
    for split in other.files:
        try:
            found.read(reading.open(other, root, split=split), Pictures(seen, other, split, 0))
        except (DataError, MissingInput, RecipeError) as fault:
            yield f"{card.name} cannot be compared with {other.name} {split}: {fault}"
    for what, count in found.counts.items():
        yield f"{card.name} and {other.name} share {count:,} {what}; the first: {found.first[what]}"
    if found.unread:
        yield f"{other.name}: {found.unread:,} rows cannot be read and were not compared"


@dataclass(slots=True, kw_only=True)
class _Common:
    card: Card
    other: Card
    seen: Seen
    counts: Counter[str] = field(default_factory=Counter)
    first: dict[str, str] = field(default_factory=dict)
    unread: int = 0

    def read(self, reader: reading.Reader, pictures: Pictures) -> None:
        for line in reader.lines():
            try:
                rows = list(reader.rows(line))
            except (DataError, MissingInput):
                self.unread += 1
                continue
            for row in rows:
                self._group(
                    row, Occurrence(card=self.other.name, split=reader.origin.split, where=line.where)
                )
                self._pictures(pictures.take(row.images, line.where))
        self._pictures(pictures.rest())

    def _group(self, row: Row, here: Occurrence) -> None:
        group = row.sample.group
        if not group:
            return
        met = self.seen.add("group", group, here)
        if met and met.card == self.card.name and not self.seen.add("shared group", group, here):
            self._count("groups", f"{group!r} ({met.where} and {here.where})")

    def _pictures(self, examined: Iterator[Examined]) -> None:
        for one in examined:
            if one.twin and one.twin.card == self.card.name:
                self._count("pictures", f"{one.name} ({one.twin.where} and {one.where})")

    def _count(self, what: str, example: str) -> None:
        self.counts[what] += 1
        self.first.setdefault(what, example)
