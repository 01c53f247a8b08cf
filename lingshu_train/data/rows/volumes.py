"""What a card says of volumes: which of their slices are shown."""

from __future__ import annotations

from pydantic import Field, model_validator

from lingshu_train.data.images.excerpt import Plane
from lingshu_train.schema import Strict


class Volumes(Strict):
    """Which slices of a volume are shown: evenly over all of them, over those that a mask marks, or those that a row lists."""

    plane: Plane = "axial"
    """The plane of a volume's slices. What is stacked already (frames of a DICOM object, a folder that holds one DICOM series)
    is taken as it lies."""
    most: int = Field(default=8, gt=0)
    """Most slices of a volume, spread evenly; all of them where there are no more."""
    mask: str = ""
    """File of a mask of the volume: only slices are shown in which it is not 0. Its path starts at the volume's folder and may
    hold `..`, {name} of that folder, {file}, {stem} and `*`. For example `{stem}_mask.nii.gz`."""
    key: str = ""
    """Column of the numbers of the slices that are shown, counted from 1: one, a list, or several with commas between."""

    @model_validator(mode="after")
    def _one_way(self) -> Volumes:
        if self.mask and self.key:
            raise ValueError("`mask` and `key` both say which slices are shown; give one of them")
        try:
            self.mask.format(name="", file="", stem="")
        except (IndexError, KeyError, ValueError):
            raise ValueError(f"mask: {self.mask!r} may hold only {{name}}, {{file}} and {{stem}}") from None
        return self
