"""Of rows with the same pictures, question and answer, the first stays."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Literal

import numpy as np
import numpy.typing as npt

from lingshu_train.curate import _words
from lingshu_train.curate._candidate import Candidate
from lingshu_train.curate._decision import Decision
from lingshu_train.curate._rows import Rows
from lingshu_train.naming import canonical
from lingshu_train.schema import Strict

MEASURED = np.dtype(("u8", (2,)))
"""Sixteen bytes a row: two of a million rows collide once in 10^26."""
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
    assert rows.measured is not None
    numbers = rows.numbers("known", "own")
    for run in _words.runs(rows.measured[numbers, 0]):
        second = rows.measured[numbers[run], 1]
        for key in np.unique(second):
            kept, *copies = numbers[run[second == key]].tolist()
            evidence = rows.candidate(kept).sample.id if copies else ""
            for number in copies:
                yield rows.candidate(number).drop("same pictures, question and answer", evidence=evidence)
