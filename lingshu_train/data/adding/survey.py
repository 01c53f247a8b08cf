"""A first pass over all rows of a draft: how many there are, of which types, whose, with which pictures. Nothing is decoded."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from lingshu_train.data.adding.looks import LOOKED
from lingshu_train.data.cards.card import Card
from lingshu_train.data.rows import reading
from lingshu_train.data.rows.row import Picture, Row
from lingshu_train.errors import DataError, MissingInput
from lingshu_train.record import Sample

T = TypeVar("T")
SHOWN = 10
"""Samples that are printed, and faults that are kept."""


@dataclass(slots=True, kw_only=True)
class Survey:
    """What was counted. `whose`: split -> what belongs together (a patient, a picture) -> its rows. `absent`: rows whose
    picture is not there. `samples` and `pictures` are drawn by chance, the same ones each time."""

    rows: Counter[str] = field(default_factory=Counter)
    types: Counter[str] = field(default_factory=Counter)
    whose: dict[str, Counter[str]] = field(default_factory=dict)
    named: int = 0
    absent: int = 0
    unread: int = 0
    faults: list[str] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)

    @property
    def total(self) -> int:
        return sum(self.rows.values())

    def groups(self, split: str) -> Mapping[str, int]:
        return self.whose.get(split, Counter())


def survey(card: Card, root: Path) -> Survey:
    """Read every row of every split. A bad row is counted with its line; a file that is torn is the error it is."""
    found, draw = Survey(), random.Random(0)
    for split in card.files:
        reader = reading.open(card, root, split=split)
        whose = found.whose.setdefault(split, Counter())
        for line in reader.lines():
            try:
                rows = list(reader.keyed(line))
            except (DataError, MissingInput) as fault:
                found.unread += 1
                found.faults += [str(fault)][: SHOWN - len(found.faults)]
                continue
            for key, row in rows:
                _count(found, row, split, draw)
                whose[key] += 1
    return found


def _count(found: Survey, row: Row, split: str, draw: random.Random) -> None:
    found.rows[split] += 1
    found.types[row.sample.question_type] += 1
    found.named += bool(row.sample.group)
    gone = [picture for picture in row.images if not picture.exists()]
    if gone:
        found.absent += 1
        found.faults += [f"{gone[0].path or gone[0].name}: no such picture"][: SHOWN - len(found.faults)]
    _keep(found.samples, row.sample, SHOWN, found.total, draw)
    for picture in row.images:
        if picture not in gone:
            _keep(found.pictures, picture, LOOKED, found.total, draw)


def _keep(kept: list[T], one: T, most: int, seen: int, draw: random.Random) -> None:
    """Each of all that are seen is kept with the same chance, `most` of them."""
    if len(kept) < most:
        kept.append(one)
    elif (place := draw.randrange(seen)) < most:
        kept[place] = one


def lines(found: Survey) -> Iterator[str]:
    """The samples for a reader: the type, the question, the answer."""
    width = max((len(sample.question_type) for sample in found.samples), default=0)
    for sample in found.samples:
        question = " ".join(sample.question.split())
        answer = sample.options.get(sample.answer, sample.answer)
        yield f"{sample.question_type:<{width}}  {_short(question, 60)} -> {_short(' '.join(answer.split()), 40)}"


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 3] + "..."
