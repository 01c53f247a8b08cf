"""Reading medical pixels right: DICOM, NIfTI, PNG, JPEG, TIFF and raw arrays become RGB without metadata.

More than 8 bits have no brightness until a window says what is black and white: without one they are refused.
"""

from __future__ import annotations

import gzip
import importlib
import io
import warnings
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from lingshu_train.data.excerpt import Excerpt, Plane
from lingshu_train.errors import DataError, MissingInput

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

Array = npt.NDArray[Any]
Window = tuple[float, float]
"""Centre and width, in the units of the data after rescaling (HU for CT)."""

AXES: dict[Plane, int] = {"sagittal": 0, "coronal": 1, "axial": 2}
"""The axis of a canonical volume along which the plane's slices are stacked."""
MAX_PIXELS = 64_000_000
"""Above any medical picture short of a whole slide; a header that claims more is a fault or an attack."""


def read(path: Path, *, data: bytes = b"", excerpt: Excerpt | None = None) -> Image.Image:
    """The picture that `excerpt` names in a file of any kind, as RGB without metadata. `data` as for `raster`."""
    wanted = excerpt or Excerpt()
    window = wanted.window if isinstance(wanted.window, tuple) else None
    if path.suffix == ".dcm":
        return dicom(path, frames=(wanted.frame,), window=window)[0]
    if path.name.endswith((".nii", ".nii.gz")) and wanted.plane:
        return Volume(path).slice(wanted.plane, wanted.index, window=window)
    return raster(path, data=data, window=window)


def dicom(path: Path, *, frames: tuple[int, ...] = (0,), window: Window | None = None) -> list[Image.Image]:
    """The given frames as they are meant to be seen: rescaled, windowed, MONOCHROME1 inverted, axial upright.

    `window` None takes the VOI LUT or the first window of the header.
    """
    pydicom = _package("pydicom", path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dataset = pydicom.dcmread(path)
            _check_size(path, int(dataset.get("Columns", 0)), int(dataset.get("Rows", 0)))
            return [_dicom_frame(path, dataset, index, window) for index in frames]
    except DataError:
        raise
    except FileNotFoundError:
        raise MissingInput(f"{path}: no such file") from None
    except (
        AttributeError,
        EOFError,
        IndexError,
        KeyError,
        OSError,
        RuntimeError,
        TypeError,
        ValueError,
        pydicom.errors.InvalidDicomError,
    ) as fault:
        raise DataError(f"{path}: cannot be read as DICOM: {_line(fault)}") from None


def raster(path: Path, *, data: bytes = b"", window: Window | None = None) -> Image.Image:
    """PNG, JPEG or TIFF: turned as its EXIF tag says, transparency laid on black, size checked first.

    `data` are the file's bytes where a row carries them; `path` then only names it.
    """
    try:
        with Image.open(io.BytesIO(data) if data else path) as image:
            _check_size(path, *image.size)
            image.load()
            if image.mode in ("I", "F") or image.mode.startswith("I;16"):
                return grey(path, np.asarray(image), window=window, bits=16)
            upright = ImageOps.exif_transpose(image)
            if upright.has_transparency_data:
                upright = upright.convert("RGBA")
                black = Image.new("RGBA", upright.size, (0, 0, 0, 255))
                upright = Image.alpha_composite(black, upright)
            return _bare(upright.convert("RGB"))
    except FileNotFoundError:
        raise MissingInput(f"{path}: no such file") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as fault:
        raise DataError(f"{path}: cannot be read as an image: {_line(fault)}") from None


class Volume:
    """A NIfTI volume in canonical (RAS+) orientation; slices come out in radiological convention.

    Axial and coronal slices show the patient's right on the left; sagittal slices look to the left.
    """

    def __init__(self, path: Path, *, extent: Mapping[Plane, tuple[int, int]] | None = None) -> None:
        nibabel = _package("nibabel", path)
        self.path = path
        try:
            image = nibabel.as_closest_canonical(nibabel.load(path))
            _check_size(path, int(image.shape[0]), int(image.shape[1]))
            data = np.asarray(image.dataobj)
        except FileNotFoundError:
            raise MissingInput(f"{path}: no such file") from None
        except (EOFError, OSError, ValueError, zlib.error, nibabel.filebasedimages.ImageFileError) as fault:
            raise DataError(f"{path}: cannot be read as NIfTI: {_line(fault)}") from None
        if data.ndim == 4:
            data = data[..., 0]
        if data.ndim != 3:
            raise DataError(f"{path}: expected a volume of 3 dimensions, got {data.ndim}")
        for plane, (first, last) in (extent or {}).items():
            data = np.take(data, range(first, last), axis=AXES[plane])
        self._data = data
        self._spacing = tuple(float(step) for step in image.header.get_zooms()[:3])

    def depth(self, plane: Plane) -> int:
        return int(self._data.shape[AXES[plane]])

    def slice(self, plane: Plane, index: int, *, window: Window | None = None) -> Image.Image:
        """One slice, its pixels made square where the voxels are not."""
        if not 0 <= index < self.depth(plane):
            raise DataError(f"{self.path}: no {plane} slice {index}; there are {self.depth(plane)}")
        x, y, z = self._spacing
        pixels, height, width = {
            "axial": lambda: (self._data[::-1, ::-1, index].T, y, x),
            "coronal": lambda: (self._data[::-1, index, ::-1].T, z, x),
            "sagittal": lambda: (self._data[index, ::-1, ::-1].T, z, y),
        }[plane]()
        picture = grey(self.path, pixels, window=window, bits=self._data.dtype.itemsize * 8)
        finest = min(height, width)
        size = (round(picture.width * width / finest), round(picture.height * height / finest))
        return picture if size == picture.size else picture.resize(size, Image.Resampling.BILINEAR)


def raw(path: Path, *, shape: tuple[int, int], dtype: str, window: Window | None = None) -> Image.Image:
    """A bare array of `shape` (rows, columns), gzipped where the name ends so. `dtype` is numpy's: ">u2"."""
    try:
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        pixels = np.frombuffer(data, dtype=np.dtype(dtype)).reshape(shape)
    except FileNotFoundError:
        raise MissingInput(f"{path}: no such file") from None
    except (EOFError, OSError, TypeError, ValueError, zlib.error) as fault:
        raise DataError(f"{path}: cannot be read as {shape} of {dtype}: {_line(fault)}") from None
    return grey(path, pixels, window=window, bits=pixels.dtype.itemsize * 8)


def grey(path: Path, values: Array, *, window: Window | None, bits: int, invert: bool = False) -> Image.Image:
    """Values to brightness by the linear window (PS3.3 C.11.2.1.2); without one 8 bits stay as they are."""
    if window is None:
        if bits > 8:
            raise DataError(
                f"{path}: {bits}-bit pixels without a window; give `window: [centre, width]` in the card, "
                "or use the values that the scanner's window or the CT unit names"
            )
        shown = values.astype(np.uint8)
    else:
        centre, width = window
        if width <= 1:
            raise DataError(f"{path}: a window must be wider than 1, got {width}")
        share = (values.astype(np.float64) - (centre - 0.5)) / (width - 1) + 0.5
        shown = np.rint(np.clip(share, 0, 1) * 255).astype(np.uint8)
    return Image.fromarray(255 - shown if invert else shown).convert("RGB")


def _dicom_frame(path: Path, dataset: Dataset, index: int, window: Window | None) -> Image.Image:
    pixels = _package("pydicom.pixels", path)

    count = int(dataset.get("NumberOfFrames", 1) or 1)
    if not 0 <= index < count:
        raise DataError(f"{path}: no frame {index}; there are {count}")
    values: Array = pixels.pixel_array(dataset, index=index)
    if dataset.PhotometricInterpretation == "PALETTE COLOR":
        values = pixels.apply_color_lut(values, dataset)
        values = (values >> 8).astype(np.uint8) if values.dtype == np.uint16 else values
    if values.ndim == 3:
        if values.dtype != np.uint8:
            raise DataError(
                f"{path}: colour of {values.dtype.itemsize * 8} bits per channel is not supported, only 8"
            )
        return Image.fromarray(np.ascontiguousarray(values[..., :3]))
    invert = dataset.PhotometricInterpretation == "MONOCHROME1"
    if window is None and dataset.get("VOILUTSequence"):
        table = dataset.VOILUTSequence[0]
        top = 2 ** int(table.LUTDescriptor[2])
        shown = pixels.apply_voi(_rescaled(dataset, index, values).astype(np.int64), dataset)
        picture = grey(path, shown, window=(top / 2, top), bits=int(dataset.BitsStored), invert=invert)
    else:
        chosen = window or _header_window(dataset, index)
        picture = grey(
            path,
            _rescaled(dataset, index, values),
            window=chosen,
            bits=int(dataset.BitsStored),
            invert=invert,
        )
    return _upright(dataset, index, picture)


def _rescaled(dataset: Dataset, index: int, values: Array) -> Array:
    """Stored values to the unit of the data: HU for CT."""
    place = _groups(dataset, index, "PixelValueTransformationSequence") or dataset
    slope, intercept = place.get("RescaleSlope"), place.get("RescaleIntercept")
    return values * float(slope) + float(intercept or 0) if slope is not None else values


def _header_window(dataset: Dataset, index: int) -> Window | None:
    place = _groups(dataset, index, "FrameVOILUTSequence") or dataset
    centre, width = place.get("WindowCenter"), place.get("WindowWidth")
    if centre is None or width is None:
        return None
    first = [value[0] if hasattr(value, "__len__") else value for value in (centre, width)]
    return float(first[0]), float(first[1])


def _upright(dataset: Dataset, index: int, picture: Image.Image) -> Image.Image:
    """Axial slices stored head-down or mirrored are turned: front up, the patient's right on the left."""
    place = _groups(dataset, index, "PlaneOrientationSequence") or dataset
    direction = place.get("ImageOrientationPatient")
    if not direction or abs(direction[0]) < 0.9 or abs(direction[4]) < 0.9:
        return picture
    if direction[0] < 0:
        picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return picture.transpose(Image.Transpose.FLIP_TOP_BOTTOM) if direction[4] < 0 else picture


def _groups(dataset: Dataset, index: int, keyword: str) -> Dataset | None:
    """The functional group macro of an enhanced multi-frame object, of the frame or shared by all."""
    per_frame = dataset.get("PerFrameFunctionalGroupsSequence")
    shared = dataset.get("SharedFunctionalGroupsSequence")
    for item in ([per_frame[index]] if per_frame else []) + ([shared[0]] if shared else []):
        if item.get(keyword):
            found: Dataset = item[keyword].value[0]
            return found
    return None


def _check_size(path: Path, width: int, height: int) -> None:
    if width < 1 or height < 1 or width * height > MAX_PIXELS:
        raise DataError(
            f"{path}: the header says {width}x{height} pixels; between 1 and {MAX_PIXELS:,} are accepted"
        )


def _bare(image: Image.Image) -> Image.Image:
    """The pixels alone: names, dates and places in the file's metadata stay behind."""
    return Image.fromarray(np.asarray(image))


def _package(name: str, path: Path) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        raise MissingInput(
            f"{path}: reading it needs the package {name}; pip install 'lingshu-train[quickstart]'"
        ) from None


def _line(fault: BaseException) -> str:
    return (str(fault).splitlines() or [type(fault).__name__])[0]
