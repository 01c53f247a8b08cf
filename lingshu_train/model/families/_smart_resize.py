"""How many tokens a picture costs under Qwen's smart resize, by arithmetic, so that a plan and a corpus need no torch.

Equal to transformers' `smart_resize`, to the last patch (tests/model/families/qwen2_5_vl/test_budget.py).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from lingshu_train.model.shape import Unfit

MAX_RATIO = 200
"""Longer side to shorter side; the image processor raises above it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SmartResize:
    """A PictureBudget: a picture keeps its proportions and gets between `min_pixels` and `max_pixels`, both sides
    multiples of `grid`. `patch` is the side in pixels of a patch of the vision tower; the merger makes one token of
    `merge` x `merge` patches."""

    min_pixels: int
    max_pixels: int
    patch: int
    merge: int

    @property
    def grid(self) -> int:
        """Side in pixels of one visual token."""
        return self.patch * self.merge

    def fitted(self, width: int, height: int) -> tuple[int, int]:
        """Width and height after the processor's resize. Unfit: no area, or more than MAX_RATIO times as long as wide."""
        if not _has_shape(width, height):
            raise Unfit(
                f"a picture of {width}x{height} pixels: both sides must be at least 1 and the longer one "
                f"at most {MAX_RATIO} times the shorter; crop it"
            )
        side = self.grid
        wide, high = round(width / side) * side, round(height / side) * side
        if wide * high > self.max_pixels:
            shrink = math.sqrt((height * width) / self.max_pixels)
            high = max(side, math.floor(height / shrink / side) * side)
            wide = max(side, math.floor(width / shrink / side) * side)
        elif wide * high < self.min_pixels:
            grow = math.sqrt(self.min_pixels / (height * width))
            high = math.ceil(height * grow / side) * side
            wide = math.ceil(width * grow / side) * side
        return wide, high

    def settled(self, width: int, height: int) -> bool:
        """Whether the processor would leave a picture of this size as it is.

        A fitted size is not always settled: rounding a strip of 8200x41 gives 8204x28, whose ratio is above MAX_RATIO.
        """
        return _has_shape(width, height) and self.fitted(width, height) == (width, height)

    def tokens(self, width: int, height: int) -> int:
        """Tokens of the language model that a picture of this size becomes. Errors as for `fitted`."""
        wide, high = self.fitted(width, height)
        return (wide // self.grid) * (high // self.grid)

    def patches(self, width: int, height: int) -> int:
        """Patches of the vision tower. Errors as for `fitted`."""
        return self.merge**2 * self.tokens(width, height)


def _has_shape(width: int, height: int) -> bool:
    return min(width, height) >= 1 and max(width, height) / min(width, height) <= MAX_RATIO
