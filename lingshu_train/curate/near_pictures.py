"""Of rows that show almost the same picture, the first stays: copies that were compressed again, resized or saved anew.

Two pictures are copies where few bits of a hash differ and their thumbnails are equal but for what compressing does. Slices of
one study look alike and are no copies: pictures of one group are never compared, nor is a blank one.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from pydantic import Field

from lingshu_train.curate import _words
from lingshu_train.curate._candidate import Candidate
from lingshu_train.curate._copies import Alike, Seen, copies
from lingshu_train.curate._decision import Decision
from lingshu_train.curate._rows import Rows
from lingshu_train.record import AnswerType
from lingshu_train.schema import Strict

MEASURED = np.dtype("u8")


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


def measure(row: Candidate, params: Params) -> int:
    sample = row.sample
    return _words.key("\n".join((sample.system, _words.whole(sample), str(len(row.pictures)))))


def decide(rows: Rows, params: Params) -> Iterator[Decision]:
    alike = Alike(phash=params.phash, dhash=params.dhash, thumbnail=params.thumbnail, worst=params.worst)
    seen = _seen(rows, params)
    leaders = copies(rows, seen, alike)
    followed = np.zeros(len(leaders), np.bool_)
    followed[leaders[leaders != np.arange(len(leaders))]] = True
    kept: dict[tuple[int, ...], tuple[int, list[int]]] = {}
    for row in rows.of("known", "own"):
        shown = [look.index for look in row.looks]
        if not shown or not _compared(row, params):
            continue
        stand = [int(leaders[index]) for index in shown]
        if not params.same_text:
            if all(one != index for one, index in zip(stand, shown, strict=True)):
                yield _copy(rows, row, int(seen.first[stand[0]]))
        elif any(followed[stand]):
            assert rows.measured is not None
            key = (int(rows.measured[row.number]), _apart(row, params), *stand)
            earlier, theirs = kept.setdefault(key, (row.number, shown))
            # The same stored pictures are no matter of this step.
            if theirs != shown:
                yield _copy(rows, row, earlier)


def _seen(rows: Rows, params: Params) -> Seen:
    assert rows.looks is not None
    seen = Seen.none(len(rows.looks))
    for row in rows.of("known", "own"):
        if not _compared(row, params):
            continue
        sample = row.sample
        group = _words.key(f"{sample.card}\n{sample.group}") if sample.group else 0
        for look in row.looks:
            if seen.first[look.index] < 0:
                seen.first[look.index] = row.number
                seen.divided[look.index], seen.groups[look.index] = _apart(row, params), group
                seen.order.append(look.index)
                seen.known += row.part == "known"
    return seen


def _apart(row: Candidate, params: Params) -> int:
    """A key that rows have in common which may be copies of each other."""
    split = "" if params.across_splits else row.sample.split
    return _words.key(f"{split}\n{'' if params.across_cards else row.sample.card}")


def _compared(row: Candidate, params: Params) -> bool:
    return (not params.types or row.sample.question_type in params.types) and (
        not params.cards or row.sample.card in params.cards
    )


def _copy(rows: Rows, row: Candidate, earlier: int) -> Decision:
    evidence = rows.candidate(earlier).sample.id
    return row.drop("a copy of an earlier picture", evidence=evidence)
