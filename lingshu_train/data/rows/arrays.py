"""Pictures and labels in NumPy's files. Pickled content, which would run code of the file, is refused everywhere."""

from __future__ import annotations

import io
import math
import sys
import tokenize
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from lingshu_train.data.images.limits import DEFLATE_RATIO, MAX_PIXELS, check_bytes
from lingshu_train.data.images.opening import named
from lingshu_train.data.images.windows import Array
from lingshu_train.data.rows.line import Line
from lingshu_train.data.rows.row import Picture
from lingshu_train.errors import DataError

NUMBERS, TEXT = "biuf", "U"
"""NumPy's letters for what publishers store. Other kinds have no size, or run code."""
LARGEST = 8 * MAX_PIXELS
"""Bytes of an array that is read whole: the largest grey picture in the widest numbers."""
FAULTS = (tokenize.TokenError, zipfile.BadZipFile)
"""What NumPy raises on damaged files besides the usual: it parses headers as Python."""


def stack(path: Path) -> Array:
    """The array of an .npy file, at least one value large, which stays on disk until it is indexed."""
    with named(path, kind="a NumPy array", faults=FAULTS):
        found = np.lib.format.open_memmap(path, mode="r")
        _check(path, found.shape, found.dtype)
        if not found.shape:
            raise DataError(f"{path}: must be a list of values, got one")
    return found


def members(path: Path, names: Sequence[str]) -> tuple[Array, ...]:
    """The arrays of an .npz file that bear these names, read whole.

    DataError: one is missing, or its header claims more than LARGEST or than the file can hold.
    """
    with named(path, kind="NumPy arrays", faults=FAULTS), zipfile.ZipFile(path) as archive:
        there = [name.removesuffix(".npy") for name in archive.namelist()]
        for name in names:
            if name not in there:
                raise DataError(f"{path}: {name} is missing; the file has: {', '.join(there)}")
        return tuple(_member(path, archive, name) for name in names)


def numbers(path: Path) -> Array:
    """A stack that holds no text."""
    found = stack(path)
    if found.dtype.kind not in NUMBERS:
        raise DataError(f"{path}: must hold numbers, got {found.dtype}")
    return found


def texts(path: Path, values: Array) -> list[str]:
    """The texts of an array, one after another. DataError: no text, or not such as a file can hold."""
    if values.dtype.kind != TEXT:
        raise DataError(f"{path}: must hold text, got {values.dtype}")
    native = np.ascontiguousarray(values.ravel(), dtype=values.dtype.newbyteorder("="))
    with named(path, kind="text"):
        # NumPy makes strings of any number, and Python fails later, where nobody expects it.
        native.view(np.uint32).tobytes().decode(f"utf-32-{sys.byteorder[0]}e")
    return [str(value) for value in native]


def picture(line: Line, pixels: Array, *, name: str) -> Picture:
    """Grey (height, width) or RGB (height, width, 3) values from 0 to 255 as a PNG."""
    whole = np.asarray(pixels)
    if whole.ndim not in (2, 3) or (whole.ndim == 3 and whole.shape[2] != 3):
        raise line.error("pixels", f"must be grey or RGB, got {whole.shape}")
    if not 1 <= math.prod(whole.shape[:2]) <= MAX_PIXELS:
        raise line.error("pixels", f"between 1 and {MAX_PIXELS:,} are accepted, got {whole.shape}")
    if whole.dtype != np.uint8:
        if whole.dtype.kind not in NUMBERS:
            raise line.error("pixels", f"must be numbers, got {whole.dtype}")
        if whole.min() < 0 or whole.max() > 255 or (whole != np.rint(whole)).any():
            raise line.error("pixels", "must be whole numbers from 0 to 255")
        whole = whole.astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(whole).save(stream, format="PNG")
    return Picture(name=name, data=stream.getvalue())


def _check(path: Path, shape: tuple[int, ...], dtype: np.dtype[np.generic]) -> None:
    if dtype.kind not in NUMBERS + TEXT or math.prod(shape) * dtype.itemsize < 1:
        raise DataError(f"{path}: must hold numbers or text, got {dtype} of shape {shape}")


def _member(path: Path, archive: zipfile.ZipFile, name: str) -> Array:
    """One array, after its header: NumPy would take the memory that the header claims first, and read then."""
    place = archive.getinfo(f"{name}.npy")
    if place.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise DataError(f"{path}: {name} is packed in a way that NumPy does not write")
    with archive.open(place) as stream:
        read_header = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }[np.lib.format.read_magic(stream)]
        shape, _, dtype = read_header(stream)
    _check(path, shape, dtype)
    claimed = math.prod(shape) * dtype.itemsize
    if claimed > LARGEST:
        raise DataError(f"{path}: {name} has {claimed:,} bytes; {LARGEST:,} are accepted")
    with path.open("rb") as file:
        check_bytes(path, claimed, file, ratio=DEFLATE_RATIO)
    with archive.open(place) as stream:
        found: Array = np.lib.format.read_array(stream, allow_pickle=False)
    return found
