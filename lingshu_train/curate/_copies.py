"""Which pictures are copies of earlier ones: exact search by hash, each hit checked by its thumbnail."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from lingshu_train.curate._rows import Rows
from lingshu_train.data.images import hashes as _hashes
from lingshu_train.data.images.hashes import Grey, Hashes, Ints

BLANK = 2.0
"""Standard deviation of a thumbnail, in grey levels, up to which a picture shows nothing that could be compared."""
_MOST = 64
"""Earlier pictures of one hash that a picture is held against."""


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


@dataclass(slots=True)
class Seen:
    """Pictures in the `order` in which rows show them, of which the first `known` are compared with nothing before them.

    Of each picture by its place: a key of what it may be compared with (`divided`), and one of the group within which it is not
    (`groups`, 0 for none).
    """

    divided: npt.NDArray[np.uint64]
    groups: npt.NDArray[np.uint64]
    order: list[int]
    known: int = 0

    @classmethod
    def none(cls, pictures: int) -> Seen:
        """Of so many pictures none yet."""
        keys = np.zeros((2, pictures), np.uint64)
        return cls(keys[0], keys[1], [])


def copies(rows: Rows, seen: Seen, alike: Alike) -> Ints:
    """Of every picture the one that it is a copy of; itself where it is none.

    Each is held against earlier ones that are no copies themselves.
    """
    assert rows.looks is not None
    found = np.arange(len(rows.looks), dtype=np.int64)
    there = np.array([index for index in seen.order if rows.looks["deviation"][index] > BLANK], np.int64)
    searched = [_Searched(rows.looks[name][there], most) for name, most in alike.hashes()]
    same = checked(rows, alike)
    known = int((rows.looks["deviation"][seen.order[: seen.known]] > BLANK).sum())
    divided, groups = seen.divided, seen.groups
    for place, index in enumerate(there.tolist()):
        earlier = sorted({one for each in searched for one in each.earlier(place)}) if place >= known else []
        for one in earlier:
            leader = int(there[one])
            if divided[leader] != divided[index] or (groups[index] and groups[leader] == groups[index]):
                continue
            if same(leader, index):
                found[index] = leader
                break
        else:
            for each in searched:
                each.keep(place)
    return found


def checked(rows: Rows, alike: Alike) -> Callable[[int, int], bool]:
    """Whether the thumbnails of two pictures, by their places, are equal enough."""
    if alike.thumbnail is None and alike.worst is None:
        return lambda one, other: True
    mean = math.inf if alike.thumbnail is None else alike.thumbnail
    worst = math.inf if alike.worst is None else alike.worst

    @lru_cache(maxsize=4_096)
    def small(index: int) -> Grey:
        return rows.thumbnail(index)

    def same(one: int, other: int) -> bool:
        found = _hashes.apart(small(one), small(other))
        return found[0] <= mean and found[1] <= worst

    return same


class _Searched:
    """The pictures by one hash: which earlier ones were kept under a value that is near."""

    def __init__(self, hashes: Hashes, most: int) -> None:
        values, self._value, counts = np.unique(hashes, return_inverse=True, return_counts=True)
        self._near: dict[int, list[int]] = {}
        for first, second in _hashes.near(values, most):
            for one, other in zip(first.tolist(), second.tolist(), strict=True):
                self._near.setdefault(one, []).append(other)
                self._near.setdefault(other, []).append(one)
        self._many: npt.NDArray[np.bool_] = counts > 1
        self._kept: dict[int, list[int]] = {}

    def earlier(self, place: int) -> Iterable[int]:
        value = int(self._value[place])
        if not self._many[value] and value not in self._near:
            return ()
        return (one for near in (value, *self._near.get(value, ())) for one in self._kept.get(near, ()))

    def keep(self, place: int) -> None:
        value = int(self._value[place])
        if self._many[value] or value in self._near:
            kept = self._kept.setdefault(value, [])
            if len(kept) < _MOST:
                kept.append(place)
