"""Resizing a picture once, when the corpus is made, to what the image processor would make of it each time."""

from __future__ import annotations

from PIL import Image

from lingshu_train.model import pixels


def fit(image: Image.Image, *, min_pixels: int, max_pixels: int) -> Image.Image:
    """`image` (mode L or RGB) at its fitted size: processing the result gives the same pixel values as the original.

    Grey stays one channel. A strip whose fitted size the processor would resize again is returned unchanged.
    DataError as for `pixels.fitted`.
    """
    size = pixels.fitted(*image.size, min_pixels=min_pixels, max_pixels=max_pixels)
    if size == image.size or not pixels.settled(*size, min_pixels=min_pixels, max_pixels=max_pixels):
        return image
    return image.resize(size, Image.Resampling.BICUBIC)
