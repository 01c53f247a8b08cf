"""Two 64-bit hashes of how a picture looks, thumbnails to check them by, and an exact search for hashes that differ little.

pHash: signs of the 8 x 8 lowest frequencies of a 32 x 32 picture around their median. dHash: whether each of 8 x 8 places is
darker than the one to its right. A left-right symmetric picture has no odd frequencies, so that its pHash is chance; its
dHash is not. The cosines are whole numbers, so that every machine computes the same bits.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt
from PIL import Image

Hashes = npt.NDArray[np.uint64]
Ints = npt.NDArray[np.int64]
Grey = npt.NDArray[np.uint8]

VERSION = 2
"""Raised when hashes come out otherwise: hashes of two versions must not be compared."""
THUMBNAIL = 32
"""Side of a thumbnail in pixels, which is also what a pHash is of."""
BANDED = 3
"""Most bits that the banded search finds exactly: of four bands one is equal then."""
_KEPT, _SCALE = 8, 1 << 14
_COSINES: Ints = np.array(
    [
        [round(_SCALE * math.cos(math.pi * k * (2 * n + 1) / (2 * THUMBNAIL))) for n in range(THUMBNAIL)]
        for k in range(_KEPT)
    ],
    np.int64,
)
_PAIRS = 1 << 22
"""Pairs that are compared at once."""


def phash(small: Grey) -> int:
    """64 bits of a picture's thumbnail."""
    low = _COSINES @ small.astype(np.int64) @ _COSINES.T
    return _packed(low > np.median(low))


def dhash(grey: Image.Image) -> int:
    """64 bits of a grey picture (mode L)."""
    small = np.asarray(grey.resize((_KEPT + 1, _KEPT), Image.Resampling.LANCZOS), np.int16)
    return _packed(small[:, :-1] < small[:, 1:])


def thumbnail(grey: Image.Image) -> Grey:
    """(32, 32) grey levels of a grey picture (mode L)."""
    return np.asarray(grey.resize((THUMBNAIL, THUMBNAIL), Image.Resampling.LANCZOS), np.uint8)


def apart(one: Grey, other: Grey) -> tuple[float, int]:
    """Mean and greatest difference of two thumbnails, in grey levels. A small lesion moves the mean by less than compressing
    again does, and the greatest difference by much more."""
    differ = np.abs(one.astype(np.int16) - other)
    return float(differ.mean()), int(differ.max())


def near(hashes: Hashes, most: int) -> Iterator[tuple[Ints, Ints]]:
    """All pairs of places, the first below the second, whose hashes differ in at most `most` bits; each once, in blocks.

    `hashes` are different from each other. Exact: up to three bits by bands, above that by comparing all with all.
    """
    if most > BANDED:
        yield from _all_pairs(hashes, most)
        return
    yield from in_bands(hashes, most, range(BANDED + 1))


def band_of(hashes: Hashes, band: int) -> Hashes:
    """Sixteen bits of each: of hashes that differ in up to three bits one of four bands is equal."""
    found: Hashes = (hashes >> np.uint64(16 * band)) & np.uint64(0xFFFF)
    return found


def in_bands(hashes: Hashes, most: int, bands: Iterable[int]) -> Iterator[tuple[Ints, Ints]]:
    """The same, up to three bits, of those pairs alone whose lowest equal band is one of these."""
    for band in bands:
        keys = band_of(hashes, band).astype(np.int64)
        order = np.argsort(keys, kind="stable")
        for one, other in _within(keys[order]):
            first, second = order[one], order[other]
            differ = hashes[first] ^ hashes[second]
            hit = np.bitwise_count(differ) <= most
            # Found in the lowest band that is equal, and in no other.
            for lower in range(band):
                hit &= band_of(differ, lower) != 0
            first, second = first[hit], second[hit]
            if len(first):
                yield np.minimum(first, second), np.maximum(first, second)


def crossing(hashes: Hashes, others: Hashes, most: int) -> Iterator[tuple[Ints, Ints]]:
    """All pairs (place in `hashes`, place in `others`) that differ in at most `most` bits, by comparing all with all."""
    step = max(_PAIRS // max(len(others), 1), 1)
    for start in range(0, len(hashes), step):
        differ = np.bitwise_count(hashes[start : start + step, None] ^ others[None, :])
        first, second = np.nonzero(differ <= most)
        if len(first):
            yield first + start, second


def _all_pairs(hashes: Hashes, most: int) -> Iterator[tuple[Ints, Ints]]:
    for first, second in crossing(hashes, hashes, most):
        above = first < second
        yield first[above], second[above]


def _within(keys: Ints) -> Iterator[tuple[Ints, Ints]]:
    """All pairs of places of equal keys, which are sorted; in blocks of bounded size."""
    if not len(keys):
        return
    borders = np.flatnonzero(keys[1:] != keys[:-1]) + 1
    starts, ends = np.r_[0, borders], np.r_[borders, len(keys)]
    last = np.repeat(ends, ends - starts)
    follow = last - np.arange(len(keys)) - 1
    start = 0
    total = np.cumsum(follow)
    while start < len(keys):
        before = total[start - 1] if start else 0
        stop = max(int(np.searchsorted(total, before + _PAIRS, side="right")), start + 1)
        counts = follow[start:stop]
        first = np.repeat(np.arange(start, stop), counts)
        second = np.arange(len(first)) - np.repeat(np.cumsum(counts) - counts, counts) + first + 1
        yield first, second
        start = stop


def _packed(bits: npt.NDArray[np.bool_]) -> int:
    return int.from_bytes(np.packbits(bits).tobytes(), "big")
