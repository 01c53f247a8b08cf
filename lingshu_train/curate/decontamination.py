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

import numpy as np
import numpy.typing as npt
from pydantic import Field

from lingshu_train.curate._benchmark_pictures import Asked
from lingshu_train.curate._benchmark_texts import Texts
from lingshu_train.curate._candidate import Candidate
from lingshu_train.curate._decision import Decision
from lingshu_train.curate._leak import Hit, Tier
from lingshu_train.curate._near import Alike
from lingshu_train.curate._phase import Phase
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
    other = lru_cache(maxsize=4_096)(lambda number: rows.candidate(number).sample)
    for hits in rows.arrays("hits"):
        for number, (tier, what, theirs) in zip(
            hits["row"].tolist(), hits[["tier", "what", "theirs"]].tolist(), strict=True
        ):
            row, there = rows.candidate(number), other(theirs)
            decided = row.drop if tier in params.drop else row.flag
            yield decided(f"{what} of {there.card}", evidence=there.id, value=tier)


def _blocks(rows: Rows, params: Params) -> int:
    return rows.cut.blocks(rows.own) if params.splits or len(rows.numbers("benchmark")) else 0


def _hits(rows: Rows, params: Params, number: int) -> npt.NDArray[np.void]:
    """What rows of a block share with a benchmark, the strongest of each."""
    asked = _asked(rows, params)
    start = number * rows.cut.rows
    there = rows.left[: rows.own].copy()
    there[:start], there[start + rows.cut.rows :] = False, False
    block = replace(rows, left=np.r_[there & ~asked.own, rows.left[rows.own :]])
    pictures = asked.pictures.of(block)
    found = []
    for row in block:
        hits = [*pictures.found(row), *asked.texts.found(row), *asked.named(row)]
        if hits:
            hit = min(hits, key=lambda one: one.order)
            found.append((row.number, hit.tier, hit.what, hit.number))
    return np.array(found, _HIT)


PHASES = (Phase(name="hits", jobs=_blocks, make=_hits),)
_HIT = np.dtype([("row", "i8"), ("tier", "U8"), ("what", "U32"), ("theirs", "i8")])


def _asked(rows: Rows, params: Params) -> _Asked:
    """The benchmarks, looked at once by a process that does several blocks of a step."""
    if rows.name not in _KEPT or not rows.name:
        _KEPT.clear()
        _KEPT[rows.name] = _Asked(rows, params)
    return _KEPT[rows.name]


_Names = dict[str, list[tuple[str, int]]]
"""Of a name the cards that have it, each with the number of its first row."""
_KEPT: dict[str, _Asked] = {}


class _Asked:
    """The rows of the benchmarks: by whose names they go, their texts and pictures. `own`: of which own rows they are."""

    def __init__(self, rows: Rows, params: Params) -> None:
        self._groups: _Names = {}
        self._ids: _Names = {}
        self._alike = lru_cache(maxsize=4_096)(named_alike)
        self.own = rows.in_splits(params.splits)
        left = np.r_[rows.left[: rows.own] & self.own, rows.left[rows.own :]]
        alike = Alike(phash=params.phash, dhash=params.dhash, thumbnail=params.thumbnail, worst=params.worst)
        self.pictures = Asked(alike=alike, crops=params.crops)
        self.texts = Texts(size=params.words, least=params.least_share, most_common=params.most_common)
        for row in replace(rows, left=left).of("benchmark", "own"):
            self._note(row)
            self.pictures.add(row)
            self.texts.add(row)
        self.texts.close()
        self.pictures.close(rows)

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
