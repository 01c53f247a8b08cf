"""Resizing a picture once, when the corpus is made, to what the image processor would make of it each time."""

from __future__ import annotations

from PIL import Image

from lingshu_train.model.shape import PictureBudget


def fit(image: Image.Image, budget: PictureBudget) -> Image.Image:
    """`image` (mode L or RGB) at its fitted size: processing the result gives the same pixel values as the original.

    Grey stays one channel. A strip whose fitted size the processor would resize again is returned unchanged.
    DataError as for `budget.fitted`.
    """
    size = budget.fitted(*image.size)
    if size == image.size or not budget.settled(*size):
        return image
    return image.resize(size, Image.Resampling.BICUBIC)
