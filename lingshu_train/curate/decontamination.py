"""Rows that show, ask or tell what a benchmark asks go or are pointed out, in tiers: the same, nearly the same, of one patient.

Compared with the corpora that the stage names as `benchmarks`, and with splits of its own. Pictures: decoded pixels, hashes
checked by thumbnails, crops. Text, of rows without pictures: all words, runs of eight. Names of patients and rows count where
two cards share them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from itertools import islice

from pydantic import Field

from lingshu_train.curate._benchmark_pictures import Pictures
from lingshu_train.curate._benchmark_texts import Texts
from lingshu_train.curate._candidate import Candidate
from lingshu_train.curate._copies import Alike
from lingshu_train.curate._decision import Decision
from lingshu_train.curate._leak import Hit, Tier
from lingshu_train.curate._rows import Rows
from lingshu_train.data.cards.named_alike import named_alike
from lingshu_train.schema import Strict


class Params(Strict):
    """What counts as leaked, and what goes for it."""

    splits: tuple[str, ...] = ()
    """Splits of the corpus itself that are asked: their rows count as a benchmark's and stay."""
    drop: tuple[Tier, ...] = ("same", "near")
    """Tiers whose rows go; those of the others are pointed out. same: picture, text or row; near: an almost equal picture, or
    runs of words; shared: a patient or study; crop: perhaps a part of a picture."""
    phash: int | None = Field(default=3, ge=0, le=64)
    """Most bits of 64 in which the pHash of a near picture differs."""
    dhash: int | None = Field(default=2, ge=0, le=64)
    """The same of its dHash."""
    thumbnail: float | None = Field(default=1.25, ge=0)
    """Most mean difference of the 32 x 32 thumbnails in grey levels; null does not ask."""
    worst: int | None = Field(default=8, ge=0)
    """Most difference at any place of the thumbnails: a lesion more is another picture. null does not ask."""
    crops: bool = False
    """Also look for pictures that are a part of a benchmark's. Costs 25 hashes of each picture of a benchmark, each compared
    with every picture."""
    words: int = Field(default=8, ge=2)
    """Words of a run."""
    least_share: float = Field(default=0.5, gt=0, le=1)
    """Least share of a benchmark question's runs that a near row holds."""
    most_common: int = Field(default=20, ge=1)
    """Questions of a benchmark that may have a run in common: more have it from a form of asking, and it does not count."""


def looks(params: Params) -> bool:
    return True


def decide(rows: Rows, params: Params) -> Iterator[Decision]:
    if not params.splits and not len(rows.numbers("benchmark")):
        return
    asked = _Asked(rows, params)
    alike = Alike(phash=params.phash, dhash=params.dhash, thumbnail=params.thumbnail, worst=params.worst)
    pictures = Pictures.of(rows, splits=params.splits, alike=alike, crops=params.crops)
    texts = Texts(size=params.words, least=params.least_share, most_common=params.most_common)
    for row in asked:
        texts.add(row)
    texts.close()
    for row in rows:
        if row.sample.split in params.splits:
            continue
        found = [*pictures.found(row), *texts.found(row), *asked.named(row)]
        if found:
            hit = min(found, key=lambda one: one.order)
            other = rows.candidate(hit.number).sample
            decided = row.drop if hit.tier in params.drop else row.flag
            yield decided(f"{hit.what} of {other.card}", evidence=other.id, value=hit.tier)


_Names = dict[str, list[tuple[str, int]]]
"""Of a name the cards that have it, each with the number of its first row."""


class _Asked:
    """The rows of the benchmarks, and by whose names they go."""

    def __init__(self, rows: Rows, params: Params) -> None:
        self._rows, self._splits = rows, params.splits
        self._groups: _Names = {}
        self._ids: _Names = {}
        self._alike = lru_cache(maxsize=4_096)(named_alike)

    def __iter__(self) -> Iterator[Candidate]:
        for row in self._rows.of("benchmark", "own"):
            if row.part == "benchmark" or row.sample.split in self._splits:
                self._note(row)
                yield row

    def named(self, row: Candidate) -> Iterator[Hit]:
        """Rows of benchmarks that are of the same patient, or are this row by its publisher's name."""
        sample = row.sample
        yield from self._known(self._ids, _own_id(sample.id), sample.card, Hit("same", "the row", 0))
        yield from self._known(
            self._groups, sample.group, sample.card, Hit("shared", "a patient or study", 0)
        )

    def _known(self, known: _Names, name: str, card: str, hit: Hit) -> Iterator[Hit]:
        numbers = (number for other, number in known.get(name, ()) if name and self._alike(card, other))
        yield from (replace(hit, number=number) for number in islice(numbers, 1))

    def _note(self, row: Candidate) -> None:
        sample = row.sample
        for known, name in ((self._groups, sample.group), (self._ids, _own_id(sample.id))):
            there = known.setdefault(name, [])
            # The first row of each card is evidence enough.
            if name and all(card != sample.card for card, _ in there):
                there.append((sample.card, row.number))


def _own_id(name: str) -> str:
    """The publisher's name of a row: what stands behind card and split. A mere number is a place in a file."""
    own = name.split("/", 2)[-1]
    return "" if own.isdigit() or "/" not in name else own
