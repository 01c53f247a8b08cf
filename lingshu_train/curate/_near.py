"""Which pictures have hashes that are near each other: numbered jobs, by bands and ranges of their values.

A job knows how pictures look and nothing of rows, so that what it finds is more than what is compared in the end: pictures of
rows that are gone by then, or of benchmarks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lingshu_train.curate._phase import Phase
from lingshu_train.curate._rows import Rows, in_range
from lingshu_train.data.images import hashes as _hashes
from lingshu_train.data.images.hashes import THUMBNAIL, Hashes

NEAR, SMALL = "near", "small"
"""Phases: pairs of near values of each hash, and thumbnails of the pictures that have one."""
BLANK = 2.0
"""Standard deviation of a thumbnail, in grey levels, up to which a picture shows nothing that could be compared."""
_AT_ONCE = 1 << 20
"""Pictures whose hashes are looked at together."""
_SMALL = np.dtype([("index", "i8"), ("small", "u1", (THUMBNAIL, THUMBNAIL))])


@dataclass(frozen=True, slots=True, kw_only=True)
class Alike:
    """When two pictures are copies: bits of either hash in which they differ at most; grey levels by which their thumbnails do,
    in the mean and at the place where it is most. None leaves one out."""

    phash: int | None
    dhash: int | None
    thumbnail: float | None
    worst: int | None

    def hashes(self) -> tuple[tuple[str, int], ...]:
        """Name and most bits of each hash that counts."""
        return tuple(
            (name, most) for name, most in (("phash", self.phash), ("dhash", self.dhash)) if most is not None
        )


@dataclass(frozen=True, slots=True)
class _Share:
    """Values of a hash of which a band, or without one the upper bits, lie in the range numbered `part`."""

    hash: str
    most: int
    band: int | None
    part: int


def phases(alike_of: Callable[[Any], Alike]) -> tuple[Phase, ...]:
    """What is to be done before the pictures of a step are compared whose parameters say so when two are copies."""
    return (
        Phase(
            name=NEAR,
            jobs=lambda rows, params: _jobs(rows, alike_of(params)),
            make=lambda rows, params, number: _pairs(rows, alike_of(params), number),
        ),
        Phase(
            name=SMALL,
            jobs=lambda rows, params: _blocks(rows, alike_of(params)),
            make=lambda rows, params, number: _thumbnails(rows, alike_of(params), number),
            ahead=True,
        ),
    )


def near(rows: Rows, name: str) -> Hashes:
    """(n, 2): values of a hash that are near each other, both ways round, ascending; one that several have, with itself."""
    return _read(rows.made[NEAR], name)


@lru_cache(maxsize=2)  # The two hashes of one step.
def _read(paths: Sequence[Path], name: str) -> Hashes:
    found = [np.empty((0, 2), np.uint64)]
    for path in paths:
        made = np.load(path, mmap_mode="r")
        pairs = made[made["hash"] == name.encode()]["values"]
        found += [pairs, pairs[pairs[:, 0] != pairs[:, 1]][:, ::-1]]
    every = np.concatenate(found)
    return every[np.lexsort((every[:, 1], every[:, 0]))]


def among(hashes: Hashes, pairs: Hashes) -> npt.NDArray[np.bool_]:
    """Whether each is the first of a pair; these ascend."""
    if not len(pairs):
        return np.zeros(len(hashes), np.bool_)
    at = np.minimum(np.searchsorted(pairs[:, 0], hashes), len(pairs) - 1)
    found: npt.NDArray[np.bool_] = pairs[at, 0] == hashes
    return found


_PAIR = np.dtype([("hash", "S8"), ("values", "u8", (2,))])


def _shares(rows: Rows, alike: Alike) -> list[_Share]:
    assert rows.looks is not None
    ranges = range(rows.cut.ranges(len(rows.looks)))
    return [
        _Share(name, most, band, part)
        for name, most in alike.hashes()
        for band in (range(_hashes.BANDED + 1) if most <= _hashes.BANDED else [None])
        for part in ranges
    ]


def _jobs(rows: Rows, alike: Alike) -> int:
    assert rows.looks is not None
    return rows.cut.jobs(len(_shares(rows, alike)), len(rows.looks))


def _pairs(rows: Rows, alike: Alike, number: int) -> npt.NDArray[np.void]:
    """Pairs of values of some bands and ranges, the lower first."""
    mine = _shares(rows, alike)[number :: max(_jobs(rows, alike), 1)]
    return np.concatenate([np.empty(0, _PAIR), *(_sharing(rows, share) for share in mine)])


def _sharing(rows: Rows, job: _Share) -> npt.NDArray[np.void]:
    assert rows.looks is not None
    ranges = rows.cut.ranges(len(rows.looks))
    if job.band is None:
        every, counts = np.unique(_values(rows, job.hash), return_counts=True)
        mine = in_range(every, job.part, ranges)
        values, counts = every[mine], counts[mine]
        first, second = _joined(_hashes.crossing(values, every, job.most))
        pairs = np.stack((values[first], every[second]), axis=1)
        pairs = pairs[pairs[:, 0] < pairs[:, 1]]
    else:
        values, counts = np.unique(_values(rows, job.hash, job.band, job.part), return_counts=True)
        first, second = _joined(_hashes.in_bands(values, job.most, [job.band]))
        pairs = np.stack((values[first], values[second]), axis=1)
    if not job.band:
        several = values[counts > 1]
        pairs = np.concatenate((pairs, np.stack((several, several), axis=1)))
    made = np.empty(len(pairs), _PAIR)
    made["hash"], made["values"] = job.hash.encode(), pairs
    return made


def _joined(
    found: Iterator[tuple[_hashes.Ints, _hashes.Ints]],
) -> tuple[_hashes.Ints, _hashes.Ints]:
    blocks = [(np.empty(0, np.int64), np.empty(0, np.int64)), *found]
    return np.concatenate([one for one, _ in blocks]), np.concatenate([other for _, other in blocks])


def _values(rows: Rows, name: str, band: int | None = None, part: int = 0) -> Hashes:
    """The hashes of all pictures that show something, or of those whose band lies in a range."""
    assert rows.looks is not None
    ranges = rows.cut.ranges(len(rows.looks))
    found = [np.empty(0, np.uint64)]
    for start in range(0, len(rows.looks), _AT_ONCE):
        looks = rows.looks[start : start + _AT_ONCE]
        values = looks[name][looks["deviation"] > BLANK]
        if band is not None:
            values = values[in_range(_hashes.band_of(values, band) << np.uint64(48), part, ranges)]
        found.append(values)
    return np.concatenate(found)


def _blocks(rows: Rows, alike: Alike) -> int:
    assert rows.looks is not None
    checks = alike.thumbnail is not None or alike.worst is not None
    return rows.cut.blocks(len(rows.looks)) if checks else 0


def _thumbnails(rows: Rows, alike: Alike, number: int) -> npt.NDArray[np.void]:
    """Of a block of pictures those thumbnails that will be asked for."""
    assert rows.looks is not None
    start = number * rows.cut.rows
    looks = rows.looks[start : start + rows.cut.rows]
    wanted = np.zeros(len(looks), np.bool_)
    for name, _ in alike.hashes():
        wanted |= among(looks[name], near(rows, name))
    places = np.flatnonzero(wanted & (looks["deviation"] > BLANK)) + start
    made = np.empty(len(places), _SMALL)
    made["index"] = places
    for at, index in enumerate(places.tolist()):
        made["small"][at] = rows.thumbnail(index)
    return made
