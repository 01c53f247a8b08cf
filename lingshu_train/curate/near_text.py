"""Of rows with the same pictures and almost the same text, the first stays.

Candidates come from MinHash; each is checked by the exact Jaccard similarity of its runs of words. Sides, negations, numbers,
units and opposites must agree, and so must the answer where a rule can judge it: "3 mm" is not "30 mm", T1 is not T2.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Literal

import numpy as np
from pydantic import Field

from lingshu_train.curate import _words
from lingshu_train.curate._candidate import Candidate
from lingshu_train.curate._decision import Decision
from lingshu_train.curate._rows import Rows
from lingshu_train.curate._words import Keys
from lingshu_train.record import Sample
from lingshu_train.schema import Strict

_BANDS, _PER_BAND = 20, 6
"""Of 0.8 alike 99.8 % become candidates: 1 - (1 - 0.8^6)^20."""
_TURNS: Keys = np.array([[_words.key(f"turn {n}") | 1] for n in range(_BANDS * _PER_BAND)], np.uint64)
_MOST = 16
"""Rows of a band, the first ones and the last ones before it, with which each later one is compared."""
MEASURED = np.dtype(("u8", (_BANDS,)))


class Params(Strict):
    """Which texts count as the same."""

    words: int = Field(default=3, ge=1)
    """Words of a run: similarity is that of the sets of runs."""
    least: float = Field(default=0.8, gt=0, le=1)
    """Least Jaccard similarity. Below 0.8 candidates are missed: MinHash is set for that."""
    pictures: Literal["same", "none"] = "same"
    """Rows with the same pictures are compared, and those without any; or those without any alone, as in the paper."""
    across_splits: bool = False
    """Also drop a copy in another split: a leak is no duplicate, see `decontamination`."""


def measure(row: Candidate, params: Params) -> Keys:
    sample = row.sample
    if sample.images and params.pictures == "none":
        return np.zeros(_BANDS, np.uint64)  # Not compared.
    runs = _words.shingles(_words.whole(sample), params.words)
    if not len(runs):
        runs = np.zeros(1, np.uint64)
    least = _words.mixed(runs[None, :] ^ _TURNS).min(axis=1).reshape(_BANDS, _PER_BAND)
    # Rows with other pictures, or in another split, share no band.
    apart = _words.key("\n".join(("" if params.across_splits else sample.split, *sample.images)))
    made: Keys = np.arange(_BANDS, dtype=np.uint64) + np.uint64(apart)
    for step in range(_PER_BAND):
        made = _words.mixed(made ^ least[:, step])
    return made


def decide(rows: Rows, params: Params) -> Iterator[Decision]:
    assert rows.measured is not None
    every = rows.numbers("known", "own")
    # No text has a band whose key is 0, but for one in 2^64. The bands are read one at a time: 8 bytes a row.
    numbers = every[rows.measured[every, 0] != 0]
    gone: set[int] = set()
    sample = lru_cache(maxsize=4_096)(lambda place: rows.candidate(int(numbers[place])).sample)
    runs = lru_cache(maxsize=4_096)(lambda place: _words.shingles(_words.whole(sample(place)), params.words))
    # What is known was compared before, and is not compared again.
    known = int(np.isin(numbers, rows.numbers("known")).sum())
    for later, earlier in _pairs(rows, numbers, known):
        if later in gone or earlier in gone:
            continue
        alike = _words.jaccard(runs(earlier), runs(later))
        if alike >= params.least and _agree(sample(earlier), sample(later)):
            gone.add(later)
            yield rows.candidate(int(numbers[later])).drop(
                "almost the same text", evidence=sample(earlier).id, value=f"{alike:.2f}"
            )


def _pairs(rows: Rows, numbers: np.ndarray, known: int) -> Iterator[tuple[int, int]]:
    """Places of rows that share a band, the later first, ascending: the earlier is decided first. None below `known`."""
    assert rows.measured is not None
    found: list[Keys] = [np.empty(0, np.uint64)]
    total = np.uint64(len(numbers))
    for band in range(_BANDS):
        made = [
            np.uint64(later) * total
            + np.r_[run[: min(n, _MOST)], run[max(n - _MOST, _MOST) : n]].astype(np.uint64)
            for run in _words.runs(rows.measured[numbers, band])
            for n, later in enumerate(run)
            if n and later >= known
        ]
        found.append(np.unique(np.concatenate(made)) if made else found[0])
    for pair in np.unique(np.concatenate(found)).tolist():
        yield divmod(pair, len(numbers))


def _agree(one: Sample, other: Sample) -> bool:
    """Whether two almost equal rows say the same."""
    if one.question_type != other.question_type or dict(one.options) != dict(other.options):
        return False
    if one.question_type != "free" and _words.plain(one.answer) != _words.plain(other.answer):
        return False
    return _words.protected(_words.words(_words.whole(one))) == _words.protected(
        _words.words(_words.whole(other))
    )
