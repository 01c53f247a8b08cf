"""Opening NIfTI: the header is checked first, compressed files are inflated no further than it says."""

from __future__ import annotations

import gzip
import io
import math
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from lingshu_train.data.images.limits import DEFLATE_RATIO, check_bytes, check_size, inflated
from lingshu_train.data.images.opening import opened, package
from lingshu_train.data.images.windows import Array
from lingshu_train.errors import DataError

if TYPE_CHECKING:
    from nibabel.arrayproxy import ArrayLike

GZIP = b"\x1f\x8b"
HEADER = 544
"""Bytes that tell both versions: 348 of NIfTI-1, 540 of NIfTI-2, then 4 that announce extensions."""
MAGIC = {1: (344, b"n+1\0"), 2: (4, b"n+2\0")}
"""Version -> where its name stands. Header and voxels in two files (`ni1`) are not read."""
SLACK = 2**20
"""Bytes that some writers leave behind the last voxel."""


def version(head: bytes) -> int:
    """1 or 2; 0 where `head`, the first bytes of a file after decompression, is not that of NIfTI."""
    return next((which for which, (at, name) in MAGIC.items() if head[at : at + len(name)] == name), 0)


def first_bytes(file: BinaryIO) -> bytes:
    """The first bytes, decompressed where the file is gzipped."""
    head = file.read(HEADER)
    file.seek(0)
    return gzip.GzipFile(fileobj=file).read(HEADER) if head.startswith(GZIP) else head


def voxels(path: Path, data: bytes) -> tuple[ArrayLike, Array]:
    """The voxels, an array or what is sliced like one and reads the file then, and the affine to RAS+ millimetres.

    DataError: no NIfTI, or a header that claims what the file cannot hold.
    """
    nibabel = package("nibabel", path)
    spatial = nibabel.spatialimages
    faults = (nibabel.filebasedimages.ImageFileError, spatial.HeaderDataError, spatial.ImageDataError)
    with opened(path, data, kind="NIfTI", faults=faults) as file:
        head = first_bytes(file)
        which = version(head)
        if not which:
            raise DataError(
                f"{path}: cannot be read as NIfTI: no NIfTI-1 or NIfTI-2 header in one file with its voxels"
            )
        kind = nibabel.Nifti1Image if which == 1 else nibabel.Nifti2Image
        header = kind.header_class.from_fileobj(io.BytesIO(head))
        shape = header.get_data_shape()
        check_size(path, *sorted((*shape, 1, 1))[-2:])
        if min(shape) < 1 or header.get_data_dtype().kind not in "iuf":
            raise DataError(
                f"{path}: cannot be read as NIfTI: {header.get_data_dtype()} voxels of shape {shape}"
            )
        length = int(header.get_data_offset()) + math.prod(shape) * header.get_data_dtype().itemsize
        file.seek(0)
        packed = file.read(2) == GZIP
        check_bytes(path, length, file, ratio=DEFLATE_RATIO if packed else 1)
        if packed:
            with gzip.GzipFile(fileobj=file) as stream:
                data = inflated(path, stream, limit=length + SLACK)
            check_bytes(path, length, io.BytesIO(data))
        holder = (
            nibabel.FileHolder(fileobj=io.BytesIO(data)) if data else nibabel.FileHolder(filename=str(path))
        )
        image = kind.from_file_map({"header": holder, "image": holder})
        return image.dataobj, image.affine
