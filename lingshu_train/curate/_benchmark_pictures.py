"""Pictures that a benchmark shows too: the same bytes or pixels, nearly the same, or perhaps a part of one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from PIL import Image

from lingshu_train.curate._candidate import Candidate
from lingshu_train.curate._copies import checked
from lingshu_train.curate._leak import Hit
from lingshu_train.curate._looks import Looks
from lingshu_train.curate._near import BLANK, Alike
from lingshu_train.curate._rows import Rows
from lingshu_train.data.images import hashes as _hashes
from lingshu_train.data.images import parts
from lingshu_train.data.images.hashes import Hashes, Ints


class Pictures:
    """Of every picture that training shows, what of the benchmarks it is."""

    def __init__(self, hits: dict[int, Hit]) -> None:
        self._hits = hits

    def found(self, row: Candidate) -> Iterator[Hit]:
        yield from (self._hits[look.index] for look in row.looks if look.index in self._hits)


class Asked:
    """The pictures of the benchmarks: first `add` each row, then `close`, then look for them among others."""

    def __init__(self, *, alike: Alike, crops: bool) -> None:
        self._alike, self._crops = alike, crops
        self._rows: dict[int, int] = {}
        self._places = np.empty(0, np.int64)
        self._parts: list[tuple[int, Hashes]] = []

    def add(self, row: Candidate) -> None:
        for look in row.looks:
            self._rows.setdefault(look.index, row.number)

    def close(self, rows: Rows) -> None:
        """No more rows are added."""
        assert rows.looks is not None
        self._places = np.array(sorted(self._rows), np.int64)
        if self._crops:
            showing = _showing(rows.looks, self._places).tolist()
            self._parts = [(place, _hashed(_pieces(rows, place))) for place in showing]

    def of(self, rows: Rows) -> Pictures:
        """What the pictures of own rows are of these."""
        assert rows.looks is not None
        asked, theirs = self._rows, self._places
        ours = np.unique(rows.shown("own")[1])
        hits: dict[int, Hit] = {}
        for one, other in self._cut_out(rows, ours):
            hits.setdefault(one, Hit("crop", "perhaps a part of a picture", asked[other]))
        for one, other in sorted(_near(rows, ours, theirs, self._alike), reverse=True):
            hits[one] = Hit("near", "nearly a picture", asked[other])
        same = {bytes(rows.looks["pixels"][other]): other for other in theirs[::-1].tolist()}
        for one in ours.tolist():
            twin = same.get(bytes(rows.looks["pixels"][one]))
            if twin is not None:
                hits[one] = Hit("same", "a picture", asked[twin])
        return Pictures(hits)

    def _cut_out(self, rows: Rows, ours: Ints) -> Iterator[tuple[int, int]]:
        """Pairs of a picture of training and one of a benchmark that it may be a part of."""
        assert rows.looks is not None
        ours = _showing(rows.looks, ours)
        for their, hashes in self._parts:
            for mine, part in _hashes.crossing(rows.looks["phash"][ours], hashes, parts.BITS):
                pieces = _pieces(rows, their)
                for one, other in zip(mine.tolist(), part.tolist(), strict=True):
                    if parts.alike(rows.thumbnail(int(ours[one])), _hashes.thumbnail(pieces[other])):
                        yield int(ours[one]), their


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


def _pieces(rows: Rows, place: int) -> list[Image.Image]:
    """The parts of a picture that show something."""
    return [part for part in parts.of(rows.picture(place).convert("L")) if np.asarray(part).std() > BLANK]


def _hashed(pieces: Sequence[Image.Image]) -> Hashes:
    return np.array([_hashes.phash(_hashes.thumbnail(part)) for part in pieces], np.uint64)


def _showing(looks: Looks, places: Ints) -> Ints:
    """Without pictures that show nothing."""
    found: Ints = places[looks["deviation"][places] > BLANK]
    return found
