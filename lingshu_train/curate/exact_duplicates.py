"""Of rows with the same pictures, question and answer, the first stays."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import lru_cache
from typing import Literal

import numpy as np
import numpy.typing as npt

from lingshu_train.curate import _words
from lingshu_train.curate._candidate import Candidate
from lingshu_train.curate._decision import Decision
from lingshu_train.curate._phase import Phase
from lingshu_train.curate._rows import Rows
from lingshu_train.data.images.hashes import Ints
from lingshu_train.naming import canonical
from lingshu_train.schema import Strict

MEASURED = np.dtype(("u8", (2,)))
"""Sixteen bytes a row: two of a million rows collide once in 10^26. None is 0 in the first half, but for one in 2^64."""
VERSION = 1
"""Of what is measured: see `Measuring`."""


class Params(Strict):
    """Which copies count."""

    across_splits: bool = False
    """Also drop a copy in another split. By default it is left alone: a leak is no duplicate, and dropping the
    training row or the test row is not the same decision."""
    pictures: Literal["bytes", "pixels"] = "bytes"
    """What makes two pictures the same: their stored bytes, or the pixels they decode to, which also finds one that was
    compressed again without loss."""


def looks(params: Params) -> bool:
    return params.pictures == "pixels"


def measure(row: Candidate, params: Params) -> npt.NDArray[np.uint64]:
    sample = row.sample
    asked = [sample.system, sample.turns, sample.question, dict(sample.options)]
    shown = list(sample.images) if params.pictures == "bytes" else [look.pixels.hex() for look in row.looks]
    content = ["" if params.across_splits else sample.split, shown, *asked, sample.answer]
    found = hashlib.blake2b(canonical(content).encode(), digest_size=16).digest()
    return np.frombuffer(found, np.uint64)


def decide(rows: Rows, params: Params) -> Iterator[Decision]:
    evidence = lru_cache(maxsize=4_096)(lambda number: rows.candidate(number).sample.id)
    for pairs in rows.arrays("copies"):
        for number, kept in pairs.tolist():
            yield rows.candidate(number).drop("same pictures, question and answer", evidence=evidence(kept))


def _ranges(rows: Rows, params: Params) -> int:
    return rows.cut.ranges(len(rows.left))


def _copies(rows: Rows, params: Params, part: int) -> Ints:
    """(n, 2): numbers of own rows and of the rows that they are copies of, for a range of keys."""
    assert rows.measured is not None
    numbers = rows.keyed(0, part, _ranges(rows, params))
    found = [np.empty((0, 2), np.int64)]
    for run in _words.runs(rows.measured[numbers, 0]):
        second = rows.measured[numbers[run], 1]
        for key in np.unique(second):
            kept, *copies = numbers[run[second == key]].tolist()
            found.append(np.array([(one, kept) for one in copies if one < rows.own], np.int64).reshape(-1, 2))
    return np.concatenate(found)


PHASES = (Phase(name="copies", jobs=_ranges, make=_copies),)
