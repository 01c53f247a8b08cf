"""Of rows that show almost the same picture, the first stays: copies that were compressed again, resized or saved anew.

Two pictures are copies where few bits of a hash differ and their thumbnails are equal but for what compressing does. Slices of
one study look alike and are no copies: pictures of one group are never compared, nor is a blank one.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from pydantic import Field

from lingshu_train.curate import _words
from lingshu_train.curate._candidate import Candidate
from lingshu_train.curate._copies import Seen, copies
from lingshu_train.curate._decision import Decision
from lingshu_train.curate._near import Alike, phases
from lingshu_train.curate._rows import Rows
from lingshu_train.data.images.hashes import Ints
from lingshu_train.record import AnswerType
from lingshu_train.schema import Strict

MEASURED = np.dtype(("u8", (4,)))
"""Of a row that is compared and shows pictures: a key of its text and how many pictures it shows, one that rows have in common
which may be copies of each other, one of its group (0 for none), and 1."""
VERSION = 1
"""Of what is measured, words and their keys included: see `Measuring`."""
_TEXT, _APART, _GROUP, _COMPARED = range(4)


class Params(Strict):
    """Which pictures are copies, and of which rows."""

    phash: int | None = Field(default=3, ge=0, le=64)
    """Most bits of 64 in which the pHashes of copies differ (the paper: 0); null does not look at them."""
    dhash: int | None = Field(default=2, ge=0, le=64)
    """The same of the dHashes: one of the two is enough."""
    thumbnail: float | None = Field(default=1.25, ge=0)
    """Most mean difference of the 32 x 32 thumbnails in grey levels; null does not ask."""
    worst: int | None = Field(default=8, ge=0)
    """Most difference at any place of the thumbnails: a lesion more is another picture. null does not ask."""
    same_text: bool = True
    """Whether question and answer must be the same too. Without it a row goes whose every picture is a copy."""
    types: tuple[AnswerType, ...] = ()
    """Types of rows that are compared, such as free for captions; empty: all."""
    cards: tuple[str, ...] = ()
    """Data cards whose rows are compared; empty: all."""
    across_cards: bool = True
    """Whether a copy may be of another card."""
    across_splits: bool = False
    """Whether a copy may be in another split: a leak is no duplicate, see `decontamination`."""


def looks(params: Params) -> bool:
    return True


def measure(row: Candidate, params: Params) -> tuple[int, int, int, int]:
    sample = row.sample
    compared = (not params.types or sample.question_type in params.types) and (
        not params.cards or sample.card in params.cards
    )
    if not row.pictures or not compared:
        return 0, 0, 0, 0
    text = _words.key("\n".join((sample.system, _words.whole(sample), str(len(row.pictures)))))
    split = "" if params.across_splits else sample.split
    apart = _words.key(f"{split}\n{'' if params.across_cards else sample.card}")
    return text, apart, _words.key(f"{sample.card}\n{sample.group}") if sample.group else 0, 1


def decide(rows: Rows, params: Params) -> Iterator[Decision]:
    assert rows.measured is not None and rows.looks is not None
    numbers, looks = rows.shown("known", "own")
    compared = rows.measured[numbers, _COMPARED].astype(np.bool_)
    numbers, looks = numbers[compared], looks[compared]
    leaders = copies(rows, _seen(rows, numbers, looks), _alike(params))
    followed = np.zeros(len(leaders), np.bool_)
    followed[leaders[leaders != np.arange(len(leaders))]] = True
    _, first = np.unique(looks, return_index=True)
    showing = np.zeros(len(leaders), np.int64)
    showing[looks[first]] = numbers[first]
    kept: dict[tuple[int, ...], tuple[int, list[int]]] = {}
    # Rows none of whose pictures has a copy are not looked at one by one.
    for number, shown in _rows_of(numbers, looks, followed[leaders[looks]]):
        stand = leaders[shown].tolist()
        if not params.same_text:
            if all(one != index for one, index in zip(stand, shown, strict=True)):
                yield _copy(rows, number, int(showing[stand[0]]))
            continue
        key = (*map(int, rows.measured[number, [_TEXT, _APART]]), *stand)
        earlier, theirs = kept.setdefault(key, (number, shown))
        # The same stored pictures are no matter of this step.
        if theirs != shown:
            yield _copy(rows, number, earlier)


def _seen(rows: Rows, numbers: Ints, looks: Ints) -> Seen:
    """The pictures in the order in which the rows show them, each with its first row's keys."""
    assert rows.looks is not None and rows.measured is not None
    seen = Seen.none(len(rows.looks))
    pictures, first = np.unique(looks, return_index=True)
    order = np.argsort(first)
    pictures, shown = pictures[order], numbers[first[order]]
    seen.divided[pictures] = rows.measured[shown, _APART]
    seen.groups[pictures] = rows.measured[shown, _GROUP]
    seen.order = pictures
    # Known rows come first.
    seen.known = int(np.isin(shown, rows.numbers("known")).sum())
    return seen


def _rows_of(numbers: Ints, looks: Ints, wanted: npt.NDArray[np.bool_]) -> Iterator[tuple[int, list[int]]]:
    """Number and pictures of each row of which one picture is wanted."""
    some = np.unique(numbers[wanted])
    # Rows stand in order of their corpora, of which the own one's numbers are the lowest.
    starts = np.flatnonzero(np.r_[True, numbers[1:] != numbers[:-1]]) if len(numbers) else numbers
    ends = np.r_[starts[1:], len(numbers)]
    here = np.isin(numbers[starts], some)
    for start, end in zip(starts[here].tolist(), ends[here].tolist(), strict=True):
        yield int(numbers[start]), looks[start:end].tolist()


def _copy(rows: Rows, number: int, earlier: int) -> Decision:
    evidence = rows.candidate(earlier).sample.id
    return rows.candidate(number).drop("a copy of an earlier picture", evidence=evidence)


def _alike(params: Params) -> Alike:
    return Alike(phash=params.phash, dhash=params.dhash, thumbnail=params.thumbnail, worst=params.worst)


PHASES = phases(_alike)
