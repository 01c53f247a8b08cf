"""Outlines of organs and lesions as arrays: masks in colours or numbers, label volumes, polygons; and questions on them."""

from __future__ import annotations

import importlib
import json
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from lingshu_train.data.questions import templates
from lingshu_train.data.questions.templates import Subject
from lingshu_train.data.rows.line import Line
from lingshu_train.data.rows.published import whole
from lingshu_train.data.rows.row import Row
from lingshu_train.errors import MissingInput

Array = npt.NDArray[Any]
Value = int | tuple[int, int, int]

LEAST = 16
"""Pixels below which a region counts neither as there nor as not there."""
MOST = 20
"""Regions above which nobody is asked to count."""


def questions(
    subject: Subject, regions: Mapping[str, Array], *, counted: Sequence[str] = (), instances: bool = False
) -> Iterator[Row]:
    """Questions on one picture: what is there, what is largest, where one is, how many there are.

    `regions`: words -> array (height, width), non-zero inside; with `instances` its numbers tell neighbours apart.
    `counted`: words whose separate regions are things to count.
    """
    key = f"{subject.origin.card}/{subject.name}"
    areas = {label: int(np.count_nonzero(region)) for label, region in regions.items()}
    there = {label for label, area in areas.items() if area >= LEAST}
    yield from subject.presence(
        templates.pair(there, {label for label, area in areas.items() if not area}, key)
    )
    yield from subject.largest({label: areas[label] for label in there})
    boxed = False
    for label in templates.order(there, f"{key}/box"):
        if boxed and label not in counted:
            continue
        found = _instances(regions[label]) if instances else _components(regions[label])
        if len(found) == 1 and not boxed:
            boxed = True
            height, width = regions[label].shape
            yield subject.box(label, found[0], (width, height))
        if label in counted and 0 < len(found) <= MOST:
            yield subject.count(label, len(found))


def _instances(region: Array) -> list[tuple[int, int, int, int]]:
    """The box (left, top, right, bottom) of every number but 0."""
    return [box(region == number) for number in np.unique(region) if number]


def _components(region: Array) -> list[tuple[int, int, int, int]]:
    """The boxes of the connected regions (8 neighbours) of at least LEAST pixels."""
    measure = _package("scipy.ndimage", "counting regions of a mask")
    numbered, _ = measure.label(region != 0, structure=np.ones((3, 3)))
    sizes = np.bincount(numbered.ravel())
    return [box(numbered == number) for number in range(1, len(sizes)) if sizes[number] >= LEAST]


def box(inside: Array) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of what is not zero; right and bottom lie outside."""
    rows, columns = np.flatnonzero((inside != 0).any(axis=1)), np.flatnonzero((inside != 0).any(axis=0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def regions(line: Line, path: Path, values: Mapping[str, Value], size: tuple[int, int]) -> dict[str, Array]:
    """The parts of a mask image by their colour or number. `size`, here and below: width and height of the picture.

    What is wrong is said of `line`, here and below.
    """
    numbered = all(isinstance(value, int) for value in values.values())
    mask = _image(line, path, size, numbered=numbered)
    found = {}
    for label, value in values.items():
        if isinstance(value, int):
            found[label] = _grey(mask) == value
        elif mask.ndim == 2:
            raise line.error("mask", f"{path} is grey, and the card gives colours")
        else:
            found[label] = (mask == np.array(value)).all(axis=2)
    return found


def region(line: Line, path: Path, size: tuple[int, int]) -> Array:
    """One outline: a mask image that is not black inside, or a polygon (JSON list of points, or lines `x y`)."""
    if path.suffix in (".json", ".txt"):
        canvas = Image.new("L", size)
        ImageDraw.Draw(canvas).polygon(_points(line, path), fill=1)
        return np.asarray(canvas)
    inside: Array = _grey(_image(line, path, size)) != 0
    return inside


def _grey(mask: Array) -> Array:
    brightest: Array = mask if mask.ndim == 2 else mask.max(axis=2)
    return brightest


def _points(line: Line, path: Path) -> list[tuple[float, float]]:
    text = whole(path)
    try:
        if path.suffix == ".json":
            rows = json.loads(text)
        else:
            rows = [re.split(r"[\s,]+", row.strip()) for row in text.splitlines() if row.strip()]
        points = [(float(x), float(y)) for x, y in rows]
        if len(points) < 3 or not np.isfinite(points).all():
            raise ValueError(f"{len(points)} points")
    except (RecursionError, TypeError, ValueError) as fault:
        raise line.error("outline", f"{path} must be at least three points x, y: {fault}") from None
    return points


def _image(line: Line, path: Path, size: tuple[int, int], *, numbered: bool = False) -> Array:
    """Grey values or RGB; of a picture with a palette its colours, or its numbers where these are meant."""
    try:
        with Image.open(path) as image:
            if image.size != size:
                raise line.error("mask", f"{path} has {image.size} pixels, the picture {size}")
            plain = image.mode in ("1", "L", "I", "I;16", "RGB") or (numbered and image.mode == "P")
            return np.asarray(image if plain else image.convert("RGB"))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as fault:
        raise line.error("mask", f"{path} cannot be read as an image: {fault}") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """A volume of label numbers, (x, y, z) in canonical (RAS+) orientation; width and height of a voxel in mm."""

    data: Array
    spacing: tuple[float, float]

    def axial(self, index: int) -> Array:
        """One slice as data/images shows it: front up, the patient's right on the left, pixels square."""
        pixels = self.data[::-1, ::-1, index].T
        width, height = self.spacing
        finest = min(width, height)
        size = (round(pixels.shape[1] * width / finest), round(pixels.shape[0] * height / finest))
        if size == pixels.shape[::-1]:
            return pixels
        return np.asarray(Image.fromarray(pixels.astype(np.int32)).resize(size, Image.Resampling.NEAREST))


def volume(line: Line, path: Path, *, fill: tuple[slice, slice, slice] | None = None) -> Volume:
    """The labels of a NIfTI file; or 1 inside the box `fill`, in the file's own voxel order, and 0 outside."""
    nibabel = _package("nibabel", str(path))
    image = _nifti(line, nibabel, path)
    if len(image.shape) != 3:
        raise line.error("volume", f"{path} must have 3 dimensions, got {len(image.shape)}")
    if fill is None:
        labels = np.rint(_voxels(line, path, image)).astype(np.int32)
    else:
        labels = np.zeros(image.shape, dtype=np.int32)
        labels[fill] = 1
    canonical = nibabel.as_closest_canonical(nibabel.Nifti1Image(labels, image.affine))
    width, height = (float(step) for step in canonical.header.get_zooms()[:2])
    if not (width > 0 and height > 0):
        raise line.error("volume", f"{path}: voxels are {width:g} by {height:g} mm")
    return Volume(data=np.asarray(canonical.dataobj), spacing=(width, height))


def spread(line: Line, path: Path) -> tuple[float, float]:
    """A window (centre, width) for volumes without a unit: from the 0.5th to the 99.5th percentile of what is not 0."""
    values = _voxels(line, path, _nifti(line, _package("nibabel", str(path)), path))
    values = values[np.isfinite(values) & (values != 0)]
    if not values.size:
        raise line.error("volume", f"{path}: all voxels are 0")
    low, high = np.percentile(values, (0.5, 99.5))
    return float((low + high) / 2), max(float(high - low), 2.0)


def _nifti(line: Line, nibabel: Any, path: Path) -> Any:
    bad = (nibabel.filebasedimages.ImageFileError, nibabel.spatialimages.HeaderDataError)
    try:
        return nibabel.load(path)
    except (EOFError, OSError, ValueError, zlib.error, *bad) as fault:
        raise line.error("volume", f"{path} cannot be read as NIfTI: {fault}") from None


def _voxels(line: Line, path: Path, image: Any) -> Array:
    """The values; a file that ends too early is found only now."""
    try:
        return np.asarray(image.dataobj)
    except (EOFError, OSError, ValueError, zlib.error) as fault:
        raise line.error("volume", f"{path} cannot be read as NIfTI: {fault}") from None


def _package(name: str, purpose: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        package = name.partition(".")[0]
        raise MissingInput(
            f"{purpose} needs the package {package}; pip install 'lingshu-train[quickstart]'"
        ) from None
