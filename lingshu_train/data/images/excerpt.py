"""Which picture of a file is meant, and how its values become brightness."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lingshu_train.data.images.windows import Choice

Plane = Literal["axial", "coronal", "sagittal"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Excerpt:
    """One picture of a file; a field that does not go with the file's kind is refused, not passed over.

    `frame` counts from 0: of a DICOM object, a TIFF's pages, a clip, or the fourth dimension of a volume, whose slice
    `index` along `plane` is meant. `window` is (centre, width) in the data's unit, the name of a CT preset
    (data/images/ct_windows.json) or a rule (`windows.RULES`); None takes the file's own. `box` is (left, top, right,
    bottom) in pixels, of pyramid level `level` in a whole-slide image, 0 being the finest.
    """

    frame: int = 0
    plane: Plane | None = None
    index: int = 0
    window: Choice = None
    box: tuple[int, int, int, int] | None = None
    level: int = 0
