"""Volumes and pictures of label numbers, through the same bounded doors as pictures and in the same geometry.

A mask therefore lies on its picture, and a header that lies about either costs one line.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from lingshu_train.data.images.rasters import pillow
from lingshu_train.data.images.volumes import Volume
from lingshu_train.data.images.windows import Array
from lingshu_train.errors import DataError

Labels = npt.NDArray[np.int32]
PLAIN = ("1", "L", "I", "I;16", "RGB")
"""Pillow's modes whose values are those of the file; everything else is asked for as colours."""


class LabelVolume:
    """A volume whose voxels are numbers of labels. Errors as for `Volume`; it must have 3 dimensions."""

    def __init__(self, path: Path) -> None:
        self._volume = Volume(path)
        if self._volume.dimensions != 3:
            raise DataError(f"{path}: must have 3 dimensions, got {self._volume.dimensions}")

    def counts(self, numbers: Sequence[int]) -> npt.NDArray[np.int64]:
        """For every axial slice, how many voxels carry one of the numbers."""
        return self._volume.count(lambda values: np.isin(_whole(values), numbers), "axial")

    def axial(self, index: int) -> Labels:
        """One slice, (rows, columns), as `Volume.slice` shows it."""
        return square(self._volume, _whole(self._volume.pixels("axial", index)))


def square(volume: Volume, section: Labels) -> Labels:
    """An axial section, as it is seen, with the pixels of the slice that `Volume.slice` makes of the same voxels."""
    size = volume.size("axial")
    if size == section.shape[::-1]:
        return section
    return np.asarray(Image.fromarray(section).resize(size, Image.Resampling.NEAREST))


def mask(path: Path, *, size: tuple[int, int], numbered: bool = False) -> Array:
    """A mask image, (rows, columns) of grey values or with a last axis of three: colours, or the numbers of a palette.

    `numbered`: the numbers are meant, not the colours that they stand for. DataError: not an image, or another size
    (width, height) than the picture's.
    """
    with pillow(path) as image:
        if image.size != size:
            raise DataError(f"{path}: has {image.size} pixels, the picture {size}")
        plain = image.mode in PLAIN or (numbered and image.mode == "P")
        return np.asarray(image if plain else image.convert("RGB"))


def size(path: Path) -> tuple[int, int]:
    """Width and height of an image file, nothing of which is decoded."""
    with pillow(path) as image:
        return image.size


def _whole(values: Array) -> Labels:
    return np.rint(values).astype(np.int32)
