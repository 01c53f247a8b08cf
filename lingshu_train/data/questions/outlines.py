"""Outlines of organs and lesions as arrays, from masks in colours or numbers and from polygons; and questions on them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType

import numpy as np
from PIL import Image, ImageDraw

from lingshu_train.data.images import labels
from lingshu_train.data.images.opening import package
from lingshu_train.data.images.windows import Array
from lingshu_train.data.questions import templates
from lingshu_train.data.questions.templates import Subject
from lingshu_train.data.rows.line import Line, number
from lingshu_train.data.rows.published import whole
from lingshu_train.data.rows.row import Row

Value = int | tuple[int, int, int]

LEAST = 16
"""Pixels below which a region counts neither as there nor as not there: four by four may be a slip of the outliner's hand."""
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
    numbers, places = np.unique(region, return_inverse=True)
    numbered = np.where(region == 0, 0, places.reshape(region.shape) + 1)
    return _boxes(numbered, [place + 1 for place, number in enumerate(numbers) if number])


def _components(region: Array) -> list[tuple[int, int, int, int]]:
    """The boxes of the connected regions (8 neighbours) of at least LEAST pixels."""
    numbered, _ = _measure().label(region != 0, structure=np.ones((3, 3)))
    sizes = np.bincount(numbered.ravel())
    return _boxes(numbered, [number for number in range(1, len(sizes)) if sizes[number] >= LEAST])


def _boxes(numbered: Array, wanted: Sequence[int]) -> list[tuple[int, int, int, int]]:
    """All found in one pass: a mask of noise has as many regions as pixels."""
    found = _measure().find_objects(numbered)
    return [
        (int(columns.start), int(rows.start), int(columns.stop), int(rows.stop))
        for rows, columns in (found[number - 1] for number in wanted)
    ]


def _measure() -> ModuleType:
    """scipy.ndimage. MissingInput: it is not installed."""
    return package("scipy.ndimage", "counting the regions of a mask")


def box(inside: Array) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of what is not zero; right and bottom lie outside."""
    rows, columns = np.flatnonzero((inside != 0).any(axis=1)), np.flatnonzero((inside != 0).any(axis=0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def regions(line: Line, path: Path, values: Mapping[str, Value], size: tuple[int, int]) -> dict[str, Array]:
    """The parts of a mask image by their colour or number. `size`, here and below: width and height of the picture.

    What is wrong is said of `line`, here and below.
    """
    numbered = all(isinstance(value, int) for value in values.values())
    with line.naming("mask"):
        mask = labels.mask(path, size=size, numbered=numbered)
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
    with line.naming("mask"):
        inside: Array = _grey(labels.mask(path, size=size)) != 0
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
        read = [(number(str(x)), number(str(y))) for x, y in rows]
        points = [(x, y) for x, y in read if x is not None and y is not None]
        if len(points) < 3 or len(points) < len(read):
            raise ValueError(f"{len(points)} points of {len(read)}")
    except (RecursionError, TypeError, ValueError) as fault:
        raise line.error("outline", f"{path} must be at least three points x, y: {fault}") from None
    return points
