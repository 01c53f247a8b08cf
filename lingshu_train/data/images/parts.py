"""Parts of a picture that a copy may show in its place: what crops are looked for among."""

from __future__ import annotations

from collections.abc import Iterator

from PIL import Image

from lingshu_train.data.images import hashes
from lingshu_train.data.images.hashes import Grey

BITS = 8
"""Bits of a hash in which a crop may differ from such a part, whose borders are not its own."""
_LEVELS = 8.0
"""Grey levels in which its thumbnail may differ, in the mean."""
_SCALES = (0.9, 0.8, 0.7, 0.6, 0.5)
_PLACES = ((0.5, 0.5), (0, 0), (0, 1), (1, 0), (1, 1))
"""Shares of a picture's sides, and where the parts lie."""


def of(whole: Image.Image) -> Iterator[Image.Image]:
    """The 25 parts."""
    for scale in _SCALES:
        width, height = max(round(scale * whole.width), 1), max(round(scale * whole.height), 1)
        for x, y in _PLACES:
            left, top = round(x * (whole.width - width)), round(y * (whole.height - height))
            yield whole.crop((left, top, left + width, top + height))


def alike(one: Grey, other: Grey) -> bool:
    """Whether thumbnails are close enough for a crop and a part; their hashes are compared before."""
    return hashes.apart(one, other)[0] <= _LEVELS
