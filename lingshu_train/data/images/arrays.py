"""Bare arrays without a header: the card says shape and type."""

from __future__ import annotations

import gzip
import math
from pathlib import Path

import numpy as np
from PIL import Image

from lingshu_train.data.images.limits import check_bytes, check_size, inflated
from lingshu_train.data.images.opening import opened
from lingshu_train.data.images.windows import Choice, Scale, shade


def raw(path: Path, *, shape: tuple[int, int], dtype: str, window: Choice = None) -> Image.Image:
    """A bare array of `shape` (rows, columns), gzipped where the name ends so. `dtype` is numpy's: ">u2"."""
    check_size(path, shape[1], shape[0])
    with opened(path, b"", kind=f"{shape} of {dtype}") as file:
        kind = np.dtype(dtype)
        length = math.prod(shape) * kind.itemsize
        if path.suffix == ".gz":
            with gzip.GzipFile(fileobj=file) as stream:
                content = inflated(path, stream, limit=length)
        else:
            check_bytes(path, length, file)
            content = file.read(length + 1)
        pixels = np.frombuffer(content, dtype=kind).reshape(shape)
    return shade(path, pixels, window=window, scale=Scale(bits=pixels.dtype.itemsize * 8))
