"""Pictures that a benchmark shows too: the same bytes or pixels, nearly the same, or perhaps a part of one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from lingshu_train.curate._candidate import Candidate
from lingshu_train.curate._copies import BLANK, Alike, checked
from lingshu_train.curate._leak import Hit
from lingshu_train.curate._looks import Looks
from lingshu_train.curate._rows import Rows
from lingshu_train.data.images import hashes as _hashes
from lingshu_train.data.images import parts
from lingshu_train.data.images.hashes import Ints


class Pictures:
    """Of every picture that training shows, what of the benchmarks it is."""

    def __init__(self, hits: dict[int, Hit]) -> None:
        self._hits = hits

    def found(self, row: Candidate) -> Iterator[Hit]:
        yield from (self._hits[look.index] for look in row.looks if look.index in self._hits)

    @classmethod
    def of(cls, rows: Rows, *, splits: Sequence[str], alike: Alike, crops: bool) -> Pictures:
        assert rows.looks is not None
        asked: dict[int, int] = {}
        trained: set[int] = set()
        for row in rows.of("benchmark", "own"):
            mine = row.part == "benchmark" or row.sample.split in splits
            for look in row.looks:
                if mine:
                    asked.setdefault(look.index, row.number)
                else:
                    trained.add(look.index)
        theirs, ours = np.array(sorted(asked), np.int64), np.array(sorted(trained), np.int64)
        hits: dict[int, Hit] = {}
        if crops:
            for one, other in _crops(rows, ours, theirs):
                hits.setdefault(one, Hit("crop", "perhaps a part of a picture", asked[other]))
        for one, other in sorted(_near(rows, ours, theirs, alike), reverse=True):
            hits[one] = Hit("near", "nearly a picture", asked[other])
        same = {bytes(rows.looks["pixels"][other]): other for other in theirs[::-1].tolist()}
        for one in ours.tolist():
            twin = same.get(bytes(rows.looks["pixels"][one]))
            if twin is not None:
                hits[one] = Hit("same", "a picture", asked[twin])
        return cls(hits)


def _near(rows: Rows, ours: Ints, theirs: Ints, alike: Alike) -> Iterator[tuple[int, int]]:
    """Pairs of pictures, one of training and one of a benchmark, that are copies."""
    assert rows.looks is not None
    ours, theirs = _showing(rows.looks, ours), _showing(rows.looks, theirs)
    same = checked(rows, alike)
    met: set[tuple[int, int]] = set()
    for name, most in alike.hashes():
        for one, other in _pairs(rows.looks[name][ours], rows.looks[name][theirs], most):
            met.add((int(ours[one]), int(theirs[other])))
    yield from (pair for pair in sorted(met) if same(*pair))


def _pairs(ours: _hashes.Hashes, theirs: _hashes.Hashes, most: int) -> Iterator[tuple[int, int]]:
    """Places of hashes of both that differ in few bits."""
    values, at = np.unique(np.concatenate((ours, theirs)), return_inverse=True)
    holders: list[dict[int, list[int]]] = [{}, {}]
    for place, value in enumerate(at.tolist()):
        side = int(place >= len(ours))
        holders[side].setdefault(value, []).append(place - side * len(ours))
    both = np.intersect1d(at[: len(ours)], at[len(ours) :])
    pairs = [(both, both), *((a, b) for pair in _hashes.near(values, most) for a, b in (pair, pair[::-1]))]
    for first, second in pairs:
        for one, other in zip(first.tolist(), second.tolist(), strict=True):
            for mine in holders[0].get(one, ()):
                yield from ((mine, their) for their in holders[1].get(other, ()))


def _crops(rows: Rows, ours: Ints, theirs: Ints) -> Iterator[tuple[int, int]]:
    """Pairs of a picture of training and one of a benchmark that it may be a part of."""
    assert rows.looks is not None
    ours = _showing(rows.looks, ours)
    for their in _showing(rows.looks, theirs).tolist():
        whole = rows.picture(their).convert("L")
        pieces = [part for part in parts.of(whole) if np.asarray(part).std() > BLANK]
        hashes = np.array([_hashes.phash(_hashes.thumbnail(part)) for part in pieces], np.uint64)
        for mine, part in _hashes.crossing(rows.looks["phash"][ours], hashes, parts.BITS):
            for one, other in zip(mine.tolist(), part.tolist(), strict=True):
                if parts.alike(rows.thumbnail(int(ours[one])), _hashes.thumbnail(pieces[other])):
                    yield int(ours[one]), their


def _showing(looks: Looks, places: Ints) -> Ints:
    """Without pictures that show nothing."""
    found: Ints = places[looks["deviation"][places] > BLANK]
    return found
