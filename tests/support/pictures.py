"""Files for the tests of medical pixels, written small and by hand."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image


def write_dicom(path: Path, pixels: np.ndarray, **values: Any) -> Path:
    """Grey (rows, columns), frames of it, or colour (rows, columns, 3), not compressed. `values` are set last."""
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = CTImageStorage, generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset(path, {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID, dataset.SOPInstanceUID = (
        meta.MediaStorageSOPClassUID,
        meta.MediaStorageSOPInstanceUID,
    )
    colour = pixels.ndim == 3 and pixels.shape[-1] == 3
    dataset.Rows, dataset.Columns = pixels.shape[:2] if colour else pixels.shape[-2:]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = (3, "RGB") if colour else (1, "MONOCHROME2")
    if colour:
        dataset.PlanarConfiguration = 0
    elif pixels.ndim == 3:
        dataset.NumberOfFrames = len(pixels)
    bits = pixels.dtype.itemsize * 8
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = bits, bits, bits - 1
    dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
    for name, value in values.items():
        setattr(dataset, name, value)
    dataset.PixelData = pixels.tobytes()
    dataset.save_as(path)
    return path


def lookup(first: int, entries: list[int], bits: int) -> Any:
    """An item of a modality or VOI lookup table sequence."""
    from pydicom.dataset import Dataset

    table = Dataset()
    table.LUTDescriptor = [len(entries), first, bits]
    table.LUTData = np.array(entries, dtype="<u2").tobytes()
    table["LUTData"].VR = "OW"
    table["LUTDescriptor"].VR = "US"
    return table


def shown(image: Image.Image) -> list[int]:
    """The red channel, row by row."""
    return np.asarray(image.convert("RGB"))[..., 0].ravel().tolist()


def noise(height: int, width: int, channels: int = 3) -> np.ndarray:
    """Smooth waves with noise: what codecs meet in pictures, never the same value twice in a row."""
    rng = np.random.default_rng(height * width)
    y, x = np.mgrid[:height, :width]
    waves = 120 + 80 * np.sin(x / 9) * np.cos(y / 7)
    values = waves[..., None] + rng.normal(0, 12, (height, width, channels))
    return np.squeeze(np.clip(values, 0, 255).astype(np.uint8))


def damaged(content: bytes, rng: random.Random) -> bytes:
    """Cut off, or with a few bytes changed, most of them near the front where headers are."""
    if rng.random() < 0.3:
        return content[: rng.randrange(1, len(content))]
    changed = bytearray(content)
    for _ in range(rng.choice((1, 2, 8))):
        end = len(changed) if rng.random() < 0.3 else min(len(changed), 700)
        changed[rng.randrange(end)] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
    return bytes(changed)
