"""Decoding DICOM: what the header claims is checked first, then the frames asked for are read, and no others."""

from __future__ import annotations

import math
import warnings
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from PIL import Image

from lingshu_train.data.images import dicom_values
from lingshu_train.data.images.limits import CODEC_RATIO, DEFLATE_RATIO, MAX_FRAMES, check_bytes, check_size
from lingshu_train.data.images.opening import opened, package
from lingshu_train.data.images.spacing import Shown
from lingshu_train.data.images.windows import Array, Choice, refuse_for_colour, shade
from lingshu_train.errors import DataError, MissingInput

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

AT_ONCE = 2**28
"""Bytes. A longer file stays on disk, and only the frames asked for are read: a slide, or a long clip. One that is
deflated as a whole cannot be read in parts, and is refused above."""
DEFLATED = "1.2.840.10008.1.2.1.99"
"""The transfer syntax whose whole dataset is compressed, header and pixels together."""


def dicom(
    path: Path, *, data: bytes = b"", frames: tuple[int, ...] = (0,), window: Choice = None
) -> list[Image.Image]:
    """The frames as they are meant to be seen: mode L where grey, else RGB; MONOCHROME1 inverted, axial upright; their pixels
    as they are stored.

    `window` None takes the VOI LUT or the first window of the header. `data` as for `raster`.
    MissingInput: no installed package decodes the file's transfer syntax.
    """
    return [one.image for one in shown(path, data=data, frames=frames, window=window)]


def shown(
    path: Path, *, data: bytes = b"", frames: tuple[int, ...] = (0,), window: Choice = None
) -> list[Shown]:
    """As `dicom`, with what the header says of the distance of the pixels."""
    pydicom = package("pydicom", path)
    faults = (pydicom.errors.InvalidDicomError, pydicom.errors.BytesLengthException)
    with (
        opened(path, data, kind="DICOM", faults=faults) as file,
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        whole = _is_deflated(path, file) or file.seek(0, 2) <= AT_ONCE
        file.seek(0)
        dataset = pydicom.dcmread(file, stop_before_pixels=not whole)
        _check_header(path, dataset, file)
        source = dataset if whole else file
        return [_frame(path, dataset, source, index=index, window=window) for index in frames]


def _is_deflated(path: Path, file: BinaryIO) -> bool:
    """pydicom inflates such a dataset at one go, so its length is measured before. DataError: over AT_ONCE."""
    import pydicom

    pydicom.filereader.read_preamble(file, False)
    deflated = bool(pydicom.filereader._read_file_meta_info(file).get("TransferSyntaxUID") == DEFLATED)
    stream, length = zlib.decompressobj(-zlib.MAX_WBITS), 0
    while deflated and (packed := stream.unconsumed_tail or file.read(2**16)):
        length += len(stream.decompress(packed, 2**20))
        if length > AT_ONCE:
            raise DataError(f"{path}: inflates to more than the {AT_ONCE:,} bytes that are accepted")
    return deflated


def _check_header(path: Path, dataset: Dataset, file: BinaryIO) -> None:
    """Size, frames and bytes before decoding, and that a decoder is there."""
    columns, rows = int(dataset.get("Columns", 0) or 0), int(dataset.get("Rows", 0) or 0)
    check_size(path, columns, rows)
    count = frame_count(dataset)
    if not 1 <= count <= MAX_FRAMES:
        raise DataError(
            f"{path}: the header says {count:,} frames; between 1 and {MAX_FRAMES:,} are accepted"
        )
    syntax = dataset.file_meta.TransferSyntaxUID
    bits = columns * rows * int(dataset.get("SamplesPerPixel", 1)) * int(dataset.BitsAllocated)
    if syntax.is_encapsulated:
        check_bytes(path, math.ceil(bits / 8), file, ratio=CODEC_RATIO)
    else:
        halved = dataset.PhotometricInterpretation == "YBR_FULL_422"
        total = math.ceil(bits * count * (2 / 3 if halved else 1) / 8)
        check_bytes(path, total, file, ratio=DEFLATE_RATIO if syntax == DEFLATED else 1)
    decoder = package("pydicom.pixels", path).get_decoder(syntax)
    if not decoder.is_available:
        raise MissingInput(
            f"{path}: no installed package decodes {syntax.name}; install one of: "
            f"{'; '.join(decoder.missing_dependencies)}"
        )


def frame_count(dataset: Dataset) -> int:
    return int(dataset.get("NumberOfFrames", 1) or 1)


def _frame(path: Path, dataset: Dataset, source: Dataset | BinaryIO, *, index: int, window: Choice) -> Shown:
    pixels = package("pydicom.pixels", path)
    count = frame_count(dataset)
    if not 0 <= index < count:
        raise DataError(f"{path}: no frame {index}; there are {count}")
    try:
        stored: Array = pixels.pixel_array(source, index=index)
    except RuntimeError as fault:
        absent = pixels.get_decoder(dataset.file_meta.TransferSyntaxUID).missing_dependencies
        raise RuntimeError(f"{fault}; not installed: {'; '.join(absent) or 'nothing'}") from None
    if dataset.PhotometricInterpretation == "PALETTE COLOR":
        stored = dicom_values.coloured(dataset, stored)
    spacing = dicom_values.spacing(dataset, index)
    if stored.ndim == 3:
        if stored.dtype != np.uint8:
            raise DataError(
                f"{path}: colour of {stored.dtype.itemsize * 8} bits per channel is not supported, only 8"
            )
        refuse_for_colour(path, window)
        return Shown(image=Image.fromarray(np.ascontiguousarray(stored[..., :3])), spacing=spacing)
    found, scale = dicom_values.scale(path, dataset, index, window=window, bits=stored.dtype.itemsize * 8)
    picture = shade(path, stored, window=found, scale=scale)
    upright = dicom_values.upright(dataset, index, picture)
    return Shown(image=upright, spacing=spacing, moved=upright is not picture)
