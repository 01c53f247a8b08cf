"""Opening NRRD through pynrrd: attached data only, inflated no further than the header says."""

from __future__ import annotations

import bz2
import gzip
import io
import math
import warnings
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from lingshu_train.data.images.limits import CODEC_RATIO, MAX_BYTES, check_bytes, check_size, inflated
from lingshu_train.data.images.opening import opened, package
from lingshu_train.data.images.windows import Array
from lingshu_train.errors import DataError

MAGIC = b"NRRD"
WIDEST = 8
"""Bytes of the largest scalar type."""
GZIP, BZIP2 = ("gzip", "gz"), ("bzip2", "bz2")
"""What a header may call its `encoding` where the voxels are compressed."""
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
        start, sizes = file.tell(), _sizes(path, header)
        encoding = str(header["encoding"])
        packed = encoding in GZIP + BZIP2
        check_bytes(path, math.prod(sizes), file, ratio=CODEC_RATIO if packed else 1)
        length = file.seek(0, 2)
        file.seek(start)
        if packed:
            limit = min(math.prod(sizes) * WIDEST, MAX_BYTES)
            with gzip.GzipFile(fileobj=file) if encoding in GZIP else bz2.BZ2File(file) as stream:
                content = inflated(path, stream, limit=limit)
            header["encoding"] = "raw"
        else:
            content = file.read(min(length, MAX_BYTES))
        if int(header.get("line skip", header.get("lineskip", 0))) > len(content):
            raise DataError(f"{path}: skips more lines than the file has")
        return nrrd.read_data(header, io.BytesIO(content)), _affine(path, header)


def _sizes(path: Path, header: Mapping[str, object]) -> list[int]:
    """Voxels along each axis. DataError: not 3 axes of numbers in this file, or no volume that can be."""
    if "data file" in header or "datafile" in header:
        raise DataError(f"{path}: header and voxels are in two files; save them as one .nrrd")
    sizes: list[int] = np.asarray(header["sizes"]).tolist()
    if header.get("type") == "block" or len(sizes) != 3:
        raise DataError(f"{path}: expected a volume of 3 dimensions of numbers, got {len(sizes)}")
    check_size(path, *sorted(sizes)[-2:])
    if min(sizes) < 1:
        raise DataError(f"{path}: cannot be read as NRRD: {header['type']} voxels of shape {tuple(sizes)}")
    return sizes


def _affine(path: Path, header: Mapping[str, object]) -> Array:
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
