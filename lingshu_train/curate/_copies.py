"""Which pictures are copies of earlier ones: exact search by hash, each hit checked by its thumbnail."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from lingshu_train.curate._near import BLANK, SMALL, Alike, among, near
from lingshu_train.curate._rows import Rows
from lingshu_train.data.images import hashes as _hashes
from lingshu_train.data.images.hashes import Grey, Hashes, Ints

_MOST = 64
"""Earlier pictures of one hash that a picture is held against."""


@dataclass(slots=True)
class Seen:
    """Pictures in the `order` in which rows show them, of which the first `known` are compared with nothing before them.

    Of each picture by its place: a key of what it may be compared with (`divided`), and one of the group within which it is not
    (`groups`, 0 for none).
    """

    divided: npt.NDArray[np.uint64]
    groups: npt.NDArray[np.uint64]
    order: Ints
    known: int = 0

    @classmethod
    def none(cls, pictures: int) -> Seen:
        """Of so many pictures none yet."""
        keys = np.zeros((2, pictures), np.uint64)
        return cls(keys[0], keys[1], np.empty(0, np.int64))


def copies(rows: Rows, seen: Seen, alike: Alike) -> Ints:
    """Of every picture the one that it is a copy of; itself where it is none. The phases NEAR of the step are done.

    Each is held against earlier ones that are no copies themselves.
    """
    assert rows.looks is not None
    found = np.arange(len(rows.looks), dtype=np.int64)
    showing = rows.looks["deviation"][seen.order] > BLANK
    there, known = seen.order[showing], int(showing[: seen.known].sum())
    searched = [_Searched(rows.looks[name][there], near(rows, name)) for name, _ in alike.hashes()]
    same = checked(rows, alike)
    divided, groups = seen.divided, seen.groups
    wanted = np.logical_or.reduce([each.wanted for each in searched]) if searched else np.empty(0, np.bool_)
    for place in np.flatnonzero(wanted).tolist():
        index = int(there[place])
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

    made = list(rows.arrays(SMALL))

    @lru_cache(maxsize=4_096)
    def small(index: int) -> Grey:
        if made:
            block = made[index // rows.cut.rows]
            at = int(np.searchsorted(block["index"], index))
            if at < len(block) and block["index"][at] == index:
                return np.asarray(block["small"][at])
        return rows.thumbnail(index)

    def same(one: int, other: int) -> bool:
        found = _hashes.apart(small(one), small(other))
        return found[0] <= mean and found[1] <= worst

    return same


class _Searched:
    """The pictures by one hash: which earlier ones were kept under a value that is near. `wanted`: those that have one."""

    def __init__(self, hashes: Hashes, pairs: Hashes) -> None:
        self._hashes, self._pairs = hashes, pairs
        self.wanted = among(hashes, pairs)
        self._kept: dict[int, list[int]] = {}

    def earlier(self, place: int) -> Iterable[int]:
        return (one for value in self._near(place) for one in self._kept.get(value, ()))

    def keep(self, place: int) -> None:
        if self.wanted[place]:
            kept = self._kept.setdefault(int(self._hashes[place]), [])
            if len(kept) < _MOST:
                kept.append(place)

    def _near(self, place: int) -> list[int]:
        value = self._hashes[place]
        start, stop = (np.searchsorted(self._pairs[:, 0], value, side) for side in ("left", "right"))
        found: list[int] = np.r_[value, self._pairs[start:stop, 1]].tolist()
        return list(dict.fromkeys(found))
