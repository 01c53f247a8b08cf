"""What a DICOM header says of its pixels: unit, window, padding, direction of brightness, distance, and which side is up."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from lingshu_train.data.images.spacing import Spacing, spacing_of
from lingshu_train.data.images.windows import RULES, Array, Choice, Function, Scale, Window, chosen
from lingshu_train.errors import DataError

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

FUNCTIONS: dict[str, Function] = {"LINEAR_EXACT": "LINEAR_EXACT", "SIGMOID": "SIGMOID"}
"""VOI functions other than LINEAR, which holds where the header names none."""


def scale(
    path: Path, dataset: Dataset, index: int, *, window: Choice, bits: int
) -> tuple[Window | None, Scale]:
    """The window that holds, one given before that of the header, a rule after it; and the scale. `bits` where the header says
    none."""
    unit = partial(_rescaled, dataset, index)
    function: Function | None = None
    modality = str(dataset.get("Modality") or "")
    bits = int(dataset.get("BitsStored") or bits)
    given = chosen(window, bits=bits)
    if isinstance(given, str) and given not in RULES and modality == "CT" and not _has_unit(dataset, index):
        raise DataError(
            f"{path}: window {given!r} needs Hounsfield units, and the header has no rescale slope; "
            "give `window: [centre, width]`"
        )
    found = given
    if (given is None or given in RULES) and dataset.get("VOILUTSequence"):
        table = dataset.VOILUTSequence[0]
        top = 2 ** int(table.LUTDescriptor[2])
        unit, found = partial(_voi_values, dataset, table, unit), (top / 2, top)
    elif given is None or given in RULES:
        own, function = _header_window(dataset, index)
        found = own or given
    padding = dataset.get("PixelPaddingValue")
    limit = dataset.get("PixelPaddingRangeLimit", padding)
    dark_is_high = dataset.PhotometricInterpretation == "MONOCHROME1"
    return found, Scale(
        bits=bits,
        unit=unit,
        invert=dark_is_high or dataset.get("PresentationLUTShape") == "INVERSE",
        padding=None if padding is None or limit is None else (min(padding, limit), max(padding, limit)),
        function=function or "LINEAR",
        modality=modality,
    )


def upright(dataset: Dataset, index: int, picture: Image.Image) -> Image.Image:
    """Axial slices stored head-down or mirrored are turned: front up, the patient's right on the left."""
    place = _groups(dataset, index, "PlaneOrientationSequence") or dataset
    direction = place.get("ImageOrientationPatient")
    if not direction or abs(direction[0]) < 0.9 or abs(direction[4]) < 0.9:
        return picture
    if direction[0] < 0:
        picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return picture.transpose(Image.Transpose.FLIP_TOP_BOTTOM) if direction[4] < 0 else picture


def spacing(dataset: Dataset, index: int) -> Spacing | None:
    """Down comes before across in all of them (PS3.3 10.7.1.3, C.7.6.3.1.7)."""
    measures = _groups(dataset, index, "PixelMeasuresSequence")
    for place, keyword in (
        (measures, "PixelSpacing"),
        (dataset, "PixelSpacing"),
        (dataset, "ImagerPixelSpacing"),
        (dataset, "NominalScannedPixelSpacing"),
        (dataset, "PixelAspectRatio"),
    ):
        lengths = place.get(keyword) if place is not None else None
        if lengths is not None and hasattr(lengths, "__len__") and len(lengths) == 2:
            found = spacing_of(lengths[1], lengths[0])
            if found:
                return found
    return None


def coloured(dataset: Dataset, stored: Array) -> Array:
    """Palette indices to 8-bit RGB, a last axis of three (PS3.3 C.7.6.3.1.5)."""
    if (
        "SegmentedRedPaletteColorLookupTableData" in dataset
        or "RedPaletteColorLookupTableData" not in dataset
    ):
        colours: Array = importlib.import_module("pydicom.pixels").apply_color_lut(stored, dataset)
        return (colours >> 8).astype(np.uint8) if colours.dtype == np.uint16 else colours
    channels = []
    for name in ("Red", "Green", "Blue"):
        descriptor = dataset[f"{name}PaletteColorLookupTableDescriptor"].value
        entries = dataset[f"{name}PaletteColorLookupTableData"].value
        channel = _entries_for(dataset, descriptor, entries, stored)
        channels.append((channel >> 8 if descriptor[2] == 16 else channel).astype(np.uint8))
    return np.stack(channels, axis=-1)


def _transformation(dataset: Dataset, index: int) -> Dataset:
    return _groups(dataset, index, "PixelValueTransformationSequence") or dataset


def _has_unit(dataset: Dataset, index: int) -> bool:
    place = _transformation(dataset, index)
    return place.get("RescaleSlope") is not None or bool(place.get("ModalityLUTSequence"))


def _rescaled(dataset: Dataset, index: int, stored: Array) -> Array:
    """Stored values to the unit of the data: HU for CT (PS3.3 C.11.1)."""
    place = _transformation(dataset, index)
    if place.get("ModalityLUTSequence"):
        return _table_values(dataset, place.ModalityLUTSequence[0], stored)
    slope, intercept = place.get("RescaleSlope"), place.get("RescaleIntercept")
    return stored * float(slope) + float(intercept or 0) if slope is not None else stored


def _voi_values(dataset: Dataset, table: Dataset, unit: partial[Array], stored: Array) -> Array:
    """The VOI lookup table, which stands on rescaled values (PS3.3 C.11.2.1.1)."""
    return _table_values(dataset, table, np.rint(unit(stored)).astype(np.int64))


def _table_values(dataset: Dataset, table: Dataset, values: Array) -> Array:
    """A modality or VOI lookup table."""
    return _entries_for(dataset, table.LUTDescriptor, table.LUTData, values)


def _entries_for(
    dataset: Dataset, descriptor: Sequence[int], data: bytes | Sequence[int], values: Array
) -> Array:
    """Values before the first entry take the first, those behind the last take the last (PS3.3 C.11.1.1.1)."""
    first = int(descriptor[1])
    kind: np.dtype[np.generic] = np.dtype(np.int64)
    if isinstance(data, bytes):
        count = int(descriptor[0]) or 2**16
        order = "<" if dataset.file_meta.TransferSyntaxUID.is_little_endian else ">"
        kind = np.dtype(np.uint8 if len(data) == count else f"{order}u2")
    entries = np.frombuffer(data, kind) if isinstance(data, bytes) else np.asarray(data, kind)
    return entries[np.clip(values.astype(np.int64) - first, 0, len(entries) - 1)]


def _header_window(dataset: Dataset, index: int) -> tuple[tuple[float, float] | None, Function | None]:
    """The first window of the frame or the object, and the function that goes with it."""
    place = _groups(dataset, index, "FrameVOILUTSequence") or dataset
    centre, width = place.get("WindowCenter"), place.get("WindowWidth")
    if centre is None or width is None:
        return None, None
    first = [value[0] if hasattr(value, "__len__") else value for value in (centre, width)]
    return (float(first[0]), float(first[1])), FUNCTIONS.get(str(place.get("VOILUTFunction")))


def _groups(dataset: Dataset, index: int, keyword: str) -> Dataset | None:
    """The functional group macro of an enhanced multi-frame object, of the frame or shared by all."""
    per_frame = dataset.get("PerFrameFunctionalGroupsSequence")
    shared = dataset.get("SharedFunctionalGroupsSequence")
    for item in ([per_frame[index]] if per_frame else []) + ([shared[0]] if shared else []):
        if item.get(keyword):
            found: Dataset = item[keyword].value[0]
            return found
    return None
