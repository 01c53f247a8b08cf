"""Opening NRRD through pynrrd: attached data only, inflated no further than the header says."""

from __future__ import annotations

import bz2
import gzip
import io
import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from lingshu_train.data.images.limits import CODEC_RATIO, MAX_BYTES, check_bytes, check_size
from lingshu_train.data.images.opening import opened, package
from lingshu_train.data.images.windows import Array
from lingshu_train.errors import DataError

MAGIC = b"NRRD"
WIDEST = 8
"""Bytes of the largest scalar type."""
PACKED: dict[str, Any] = {"gzip": gzip.open, "gz": gzip.open, "bzip2": bz2.open, "bz2": bz2.open}
BACKWARDS = ("left", "posterior", "inferior")
"""Directions that run against the axes of RAS+."""


def voxels(path: Path, data: bytes) -> tuple[Array, Array]:
    """The voxels, axes in the file's order, and the affine to RAS+ millimetres, its origin left at 0.

    DataError: data in another file (a header may name any), no orientation, or more than the file can hold.
    """
    nrrd = package("nrrd", path)
    with opened(path, data, kind="NRRD", faults=(nrrd.NRRDError,)) as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        header = nrrd.read_header(file)
        if "data file" in header or "datafile" in header:
            raise DataError(f"{path}: header and voxels are in two files; save them as one .nrrd")
        start, sizes = file.tell(), [int(size) for size in header["sizes"]]
        if header.get("type") == "block" or len(sizes) != 3:
            raise DataError(f"{path}: expected a volume of 3 dimensions of numbers, got {len(sizes)}")
        check_size(path, *sorted(sizes)[-2:])
        packed = str(header["encoding"]) in PACKED
        check_bytes(path, math.prod(sizes), file, ratio=CODEC_RATIO if packed else 1)
        file.seek(start)
        limit = min(math.prod(sizes) * WIDEST, MAX_BYTES)
        if packed:
            with PACKED[header["encoding"]](file) as stream:
                content = stream.read(limit + 1)
            header["encoding"] = "raw"
        else:
            content = file.read()
        if packed and len(content) > limit:
            raise DataError(f"{path}: decompresses to more than the {limit:,} bytes that its header allows")
        return nrrd.read_data(header, io.BytesIO(content)), _affine(path, header)


def _affine(path: Path, header: dict[str, Any]) -> Array:
    """`space` by its long or short name, and the direction of each axis in it. DataError: either is absent."""
    short = {"L": "left", "R": "right", "A": "anterior", "P": "posterior", "S": "superior", "I": "inferior"}
    space = str(header.get("space", ""))
    words = space.lower().split("-") if "-" in space else [short.get(letter, "") for letter in space]
    directions = np.asarray(header.get("space directions", ()), dtype=np.float64)
    if len(words) != 3 or directions.shape != (3, 3) or not all(word in short.values() for word in words):
        raise DataError(f"{path}: the header does not say how the axes lie in the patient (`space`)")
    affine = np.eye(4)
    affine[:3, :3] = directions.T * np.array([[-1.0 if word in BACKWARDS else 1.0] for word in words])
    return affine
