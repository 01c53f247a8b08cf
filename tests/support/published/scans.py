"""The files of made-up scans: masks, volumes, arrays, deep slices."""

from __future__ import annotations

import gzip
import io

import nibabel
import numpy as np
from PIL import Image

Box = tuple[int, int, int, int]
SIDE = 72
"""Pixels of a side, as of `tree.picture`."""


def mask(*parts: tuple[object, Box]) -> bytes:
    """A PNG that is black but for the boxes (left, top, right, bottom), each in its colour or grey."""
    image = Image.new("RGB", (SIDE, SIDE))
    for colour, box in parts:
        image.paste(colour if isinstance(colour, tuple) else (colour,) * 3, box)
    return _png(image)


def deep(seed: int) -> bytes:
    """A slice of 16 bits in Hounsfield units with 32768 on top."""
    values = np.random.default_rng(seed).integers(-200, 300, (SIDE, SIDE)) + 32768
    return _png(Image.fromarray(values.astype(np.uint16)))


def volume(seed: int, *parts: tuple[int, Box], labels: bool = False) -> bytes:
    """A `.nii.gz` of 48 x 40 x 8 voxels: noise, or numbers in boxes (left, top, right, bottom) of its middle slices."""
    data = np.zeros((48, 40, 8), np.int16)
    if not labels:
        data += np.random.default_rng(seed).integers(10, 900, data.shape).astype(np.int16)
    for number, (left, top, right, bottom) in parts:
        data[left:right, top:bottom, 3:6] = number
    written = nibabel.Nifti1Image(data, np.diag([1.0, 1.0, 3.0, 1.0])).to_bytes()
    return gzip.compress(written, mtime=0)


def array(data: np.ndarray) -> bytes:
    """A `.npy`."""
    stream = io.BytesIO()
    np.save(stream, data)
    return stream.getvalue()


def _png(image: Image.Image) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()
