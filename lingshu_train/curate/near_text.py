"""Of rows with the same pictures and almost the same text, the first stays.

Candidates come from MinHash; each is checked by the exact Jaccard similarity of its runs of words. Sides, negations, numbers,
units and opposites must agree, and so must the answer where a rule can judge it: "3 mm" is not "30 mm", T1 is not T2.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from lingshu_train.curate import _words
from lingshu_train.curate._candidate import Candidate
from lingshu_train.curate._decision import Decision
from lingshu_train.curate._phase import Phase
from lingshu_train.curate._rows import Rows
from lingshu_train.curate._words import Keys
from lingshu_train.data.images.hashes import Ints
from lingshu_train.record import Sample
from lingshu_train.schema import Strict

_BANDS, _PER_BAND = 20, 6
"""Of 0.8 alike 99.8 % become candidates: 1 - (1 - 0.8^6)^20."""
_TURNS: Keys = np.array([[_words.key(f"turn {n}") | 1] for n in range(_BANDS * _PER_BAND)], np.uint64)
_MOST = 16
"""Rows of a band, the first ones and the last ones before it, with which each later one is compared."""
MEASURED = np.dtype(("u8", (_BANDS,)))
VERSION = 1
"""Of what is measured, words and their keys included: see `Measuring`."""
_ALIKE = np.dtype([("later", "i8"), ("earlier", "i8"), ("alike", "f8")])


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
    alone: Keys = measure_all([row], params)[0]
    return alone


def measure_all(rows: Sequence[Candidate], params: Params) -> Keys:
    """(n, 20): the bands of each row; zeros for one that is not compared."""
    made = np.zeros((len(rows), _BANDS), np.uint64)
    compared = [n for n, row in enumerate(rows) if params.pictures == "same" or not row.sample.images]
    if not compared:
        return made
    samples = [rows[n].sample for n in compared]
    runs, starts = _runs([_words.of_row(sample) for sample in samples], params.words)
    least = np.stack([np.minimum.reduceat(_words.mixed(runs ^ turn), starts) for turn in _TURNS], axis=1)
    least = least.reshape(len(samples), _BANDS, _PER_BAND)
    # Rows with other pictures, or in another split, share no band.
    apart = [
        _words.key("\n".join(("" if params.across_splits else sample.split, *sample.images)))
        for sample in samples
    ]
    bands: Keys = np.arange(_BANDS, dtype=np.uint64) + np.array(apart, np.uint64)[:, None]
    for step in range(_PER_BAND):
        bands = _words.mixed(bands ^ least[:, :, step])
    made[compared] = bands
    return made


def _runs(texts: Sequence[Sequence[str]], size: int) -> tuple[Keys, Ints]:
    """The runs of words of all texts, as keys in one array, and where in it those of each begin. A shorter text is one run; of
    one without a word it is 0."""
    # One after another, so that few operations on many keys do it; what begins in one text and ends in the next is left out.
    every = _words.grams([word for found in texts for word in found], size)
    counts = np.array([len(found) for found in texts])
    firsts = np.cumsum(counts) - counts
    parts = []
    for found, first, count in zip(texts, firsts.tolist(), counts.tolist(), strict=True):
        if count >= size:
            parts.append(every[first : first + count - size + 1])
        else:
            parts.append(_words.grams(found, count) if count else np.zeros(1, np.uint64))
    lengths = np.array([len(part) for part in parts])
    return np.concatenate(parts), np.cumsum(lengths) - lengths


def decide(rows: Rows, params: Params) -> Iterator[Decision]:
    gone: set[int] = set()
    # Windows follow one another, and in each the later rows ascend: the earlier of two is decided first.
    for window in rows.arrays("alike"):
        for later, earlier, alike in window.tolist():
            if later in gone or earlier in gone:
                continue
            gone.add(later)
            one, other = rows.numbers_in_order(np.array([later, earlier])).tolist()
            evidence = rows.candidate(other).sample.id
            yield rows.candidate(one).drop("almost the same text", evidence=evidence, value=f"{alike:.2f}")


def _shares(rows: Rows) -> list[tuple[int, int]]:
    """Each band with each range of its keys."""
    ranges = range(rows.cut.ranges(len(rows.left)))
    return [(band, part) for band in range(_BANDS) for part in ranges]


def _jobs(rows: Rows, params: Params) -> int:
    return rows.cut.jobs(len(_shares(rows)), len(rows.left))


def _pairs(rows: Rows, params: Params, number: int) -> Ints:
    """(n, 2): places in order of rows that share a band, the later first, ascending, for some bands and ranges of their keys.

    Of known rows, which were compared before, none is the later one.
    """
    every = [_sharing(rows, *share) for share in _shares(rows)[number :: _jobs(rows, params)]]
    return np.unique(np.concatenate(every), axis=0)


def _sharing(rows: Rows, band: int, part: int) -> Ints:
    assert rows.measured is not None
    # No band of a text has a key of 0, but for one in 2^64.
    numbers = rows.keyed(band, part, rows.cut.ranges(len(rows.left)))
    places = rows.places_in_order(numbers)
    first = len(rows.left) - rows.own
    found = [np.empty((0, 2), np.int64)]
    for run in _words.runs(rows.measured[numbers, band]):
        here = places[run]
        for n in range(max(int(np.searchsorted(here, first)), 1), len(here)):
            earlier = np.r_[here[: min(n, _MOST)], here[max(n - _MOST, _MOST) : n]]
            found.append(np.stack((np.full_like(earlier, here[n]), earlier), axis=1))
    return np.concatenate(found)


def _windows(rows: Rows, params: Params) -> int:
    return rows.cut.blocks(rows.own)


def _alike(rows: Rows, params: Params, number: int) -> npt.NDArray[np.void]:
    """Of the pairs of a window of own rows those that are copies indeed, with how alike they are."""
    every = list(rows.arrays("pairs"))
    start = len(rows.left) - rows.own + number * rows.cut.rows
    found = [np.empty((0, 2), np.int64)]
    for pairs in every:
        ends = np.searchsorted(pairs[:, 0], (start, start + rows.cut.rows))
        found.append(np.asarray(pairs[ends[0] : ends[1]]))
    wanted = np.unique(np.concatenate(found), axis=0)
    sample = lru_cache(maxsize=4_096)(
        lambda place: rows.candidate(int(rows.numbers_in_order(np.array([place]))[0])).sample
    )
    runs = lru_cache(maxsize=4_096)(lambda place: _words.shingles(_words.of_row(sample(place)), params.words))
    made: list[tuple[int, int, float]] = []
    done = -1
    for later, earlier in wanted.tolist():
        if later == done:
            continue
        alike = _words.jaccard(runs(earlier), runs(later))
        if alike >= params.least and _agree(sample(earlier), sample(later)):
            made.append((later, earlier, alike))
            # One that has no earlier row itself stays, so that no other row is asked for.
            done = later if not any(_has(pairs, earlier) for pairs in every) else done
    return np.array(made, _ALIKE)


def _has(pairs: Ints, later: int) -> bool:
    """Whether a row is the later one of any pair."""
    at = int(np.searchsorted(pairs[:, 0], later))
    return at < len(pairs) and int(pairs[at, 0]) == later


PHASES = (
    Phase(name="pairs", jobs=_jobs, make=_pairs),
    Phase(name="alike", jobs=_windows, make=_alike),
)


def _agree(one: Sample, other: Sample) -> bool:
    """Whether two almost equal rows say the same."""
    if one.question_type != other.question_type or dict(one.options) != dict(other.options):
        return False
    if one.question_type != "free" and _words.plain(one.answer) != _words.plain(other.answer):
        return False
    return _words.protected(_words.of_row(one)) == _words.protected(_words.of_row(other))
