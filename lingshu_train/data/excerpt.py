"""Which picture of a file is meant, and how its values become brightness."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Plane = Literal["axial", "coronal", "sagittal"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Excerpt:
    """One picture of a file: a `frame` of a DICOM object, slice `index` along `plane` of a volume, or the tile `box`.

    `window` is (centre, width) in the data's unit, or the name of a preset; None takes the file's own. `box` is
    (left, top, right, bottom) in pixels of pyramid level `level`, 0 being the finest.
    """

    frame: int = 0
    plane: Plane | None = None
    index: int = 0
    window: tuple[float, float] | str | None = None
    box: tuple[int, int, int, int] | None = None
    level: int = 0
