"""What a picture file says of itself, before its pixels are decoded: size, bits, colour, window."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lingshu_train.data.images import dicom_values
from lingshu_train.data.images.dicoms import frame_count
from lingshu_train.data.images.opening import opened, package
from lingshu_train.data.images.rasters import pillow
from lingshu_train.data.images.reading import kind_of
from lingshu_train.errors import DataError

DEEP = ("I", "F")
"""Modes of Pillow for grey of more than 8 bits; so are those that begin with I;16."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """`bits` of a grey value or a channel. `windowed`: the file says how its values become brightness, or has 8 bits at most.

    `frames`: pages or moments beside the first. `modality` and `patient` are DICOM's, empty in other files.
    """

    kind: Literal["raster", "dicom"]
    width: int
    height: int
    bits: int
    colour: bool = False
    transparent: bool = False
    windowed: bool = True
    frames: int = 1
    modality: str = ""
    patient: str = ""


def facts(path: Path, *, data: bytes = b"") -> Facts:
    """What the header says. `data` as for `read`. DataError: no picture, or a volume; MissingInput: no such file."""
    kind = kind_of(path, data)
    if kind == "volume":
        raise DataError(f"{path}: a volume, of which a card must say slices")
    return _dicom(path, data) if kind == "dicom" else _raster(path, data)


def _raster(path: Path, data: bytes) -> Facts:
    with pillow(path, data) as image:
        deep = image.mode in DEEP or image.mode.startswith("I;16")
        bits = 8 if not deep else 16 if image.mode.startswith("I;16") else 32
        return Facts(
            kind="raster",
            width=image.width,
            height=image.height,
            bits=bits,
            colour=not deep and image.mode not in ("1", "L", "LA", "La"),
            transparent=image.has_transparency_data,
            windowed=not deep,
            frames=int(getattr(image, "n_frames", 1)),
        )


def _dicom(path: Path, data: bytes) -> Facts:
    pydicom = package("pydicom", path)
    faults = (pydicom.errors.InvalidDicomError, pydicom.errors.BytesLengthException)
    with opened(path, data, kind="DICOM", faults=faults) as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = pydicom.dcmread(file, stop_before_pixels=True)
        window, scale = dicom_values.scale(
            path, dataset, 0, window=None, bits=int(dataset.get("BitsAllocated") or 16)
        )
        colour = int(dataset.get("SamplesPerPixel") or 1) > 1
        return Facts(
            kind="dicom",
            width=int(dataset.get("Columns") or 0),
            height=int(dataset.get("Rows") or 0),
            bits=8 if colour else scale.bits,
            colour=colour,
            windowed=colour or window is not None or scale.bits <= 8,
            frames=frame_count(dataset),
            modality=str(dataset.get("Modality") or ""),
            patient=str(dataset.get("PatientID") or ""),
        )
