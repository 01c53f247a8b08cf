"""What a benchmark and a training card that are read from one folder have in common."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from lingshu_train.data.cards import card as cards
from lingshu_train.data.cards.card import Card
from lingshu_train.data.checks.judging import blocks
from lingshu_train.data.checks.pictures import Pictures
from lingshu_train.data.corpus import leaks
from lingshu_train.data.corpus.seen import Occurrence, Seen
from lingshu_train.data.corpus.specification import Specification
from lingshu_train.data.rows import reading
from lingshu_train.data.rows.reading import Reader
from lingshu_train.data.rows.row import Row
from lingshu_train.errors import DataError, LingshuError, MissingInput, RecipeError


def others(card: Card, folder: Path | None) -> list[Card]:
    """Benchmarks in a training card's data folder, and training cards in a benchmark's."""
    return [
        other
        for other in _readable(folder)
        if {card.lingshu.role, other.lingshu.role} == {"training", "benchmark"}
        and other.folder(Path()) == card.folder(Path())
    ]


def _readable(folder: Path | None) -> Iterator[Card]:
    for name in cards.names(folder):
        try:
            yield cards.load(name, folder=folder)
        except LingshuError:
            # Whoever uses that card is told what is wrong with it; this one is not at fault.
            continue


@dataclass(frozen=True, slots=True)
class Shared:
    """`lines`: what both hold. `untold`: what of the other could not be read, and was not compared."""

    lines: tuple[str, ...]
    untold: tuple[str, ...]


def shared(card: Card, other: Card, root: Path, *, seen: Seen, wanted: Specification) -> Shared:
    """A line for each thing that both hold (groups, pictures) and for the rows of `other` that hold such, split by split, after
    `seen` has met all of `card`."""
    untold = []
    found = _Common(card=card, other=other, seen=seen)
    for split in other.files:
        try:
            found.read(
                reading.open(other, root, split=split), Pictures(seen=seen, wanted=wanted, decode=False)
            )
        except (DataError, MissingInput, RecipeError) as fault:
            untold.append(f"{card.name} cannot be compared with {other.name} {split}: {fault}")
    lines = [
        f"{card.name} and {other.name} share {count:,} {what}; the first: {found.first[what]}"
        for what, count in found.counts.items()
    ]
    lines += [
        f"{count:,} of {found.all_rows[split]:,} rows of {other.name} {split} have a group or a picture that is in "
        f"{card.name} {own}"
        for (split, own), count in found.rows.items()
    ]
    if found.unread:
        untold.append(f"{other.name}: {found.unread:,} rows cannot be read and were not compared")
    return Shared(tuple(lines), tuple(untold))


@dataclass(slots=True, kw_only=True)
class _Common:
    card: Card
    other: Card
    seen: Seen
    counts: Counter[str] = field(default_factory=Counter)
    first: dict[str, str] = field(default_factory=dict)
    rows: Counter[tuple[str, str]] = field(default_factory=Counter)
    all_rows: Counter[str] = field(default_factory=Counter)
    unread: int = 0

    def read(self, reader: Reader, pictures: Pictures) -> None:
        for block in blocks(reader, pictures):
            for read in block:
                here = Occurrence(card=self.other.name, split=reader.origin.split, where=read.line.where)
                self.unread += read.fault is not None
                for row in read.kept:
                    self.all_rows[here.split] += 1
                    own = {*self._group(row, here), *self._pictures(row, here, pictures)}
                    self.rows.update((here.split, split) for split in sorted(own))

    def _group(self, row: Row, here: Occurrence) -> Iterator[str]:
        """The split of the card that has the row's group; the first, where several have it."""
        group = row.sample.group
        met = self.seen.add(leaks.kind("group", self.card.name), group, here) if group else None
        if met and met.card == self.card.name:
            yield met.split
            if not self.seen.add("shared group", group, here):
                self._count("groups", f"{group!r} ({met.where} and {here.where})")

    def _pictures(self, row: Row, here: Occurrence, pictures: Pictures) -> Iterator[str]:
        """The splits of the card that have its pictures."""
        for picture in row.images:
            digest = pictures.of(picture).digest
            met = self.seen.add(leaks.kind("picture", self.card.name), digest, here) if digest else None
            if met and met.card == self.card.name:
                yield met.split
                if not self.seen.add("shared picture", digest, here):
                    self._count("pictures", f"{picture.name} ({met.where} and {here.where})")

    def _count(self, what: str, example: str) -> None:
        self.counts[what] += 1
        self.first.setdefault(what, example)
