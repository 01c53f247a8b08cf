"""How many tokens a picture costs: Qwen's smart resize by arithmetic, so that a plan and a corpus need no torch.

Equal to transformers' `smart_resize`, to the last patch (tests/model/test_pixels.py).
"""

from __future__ import annotations

import math

from lingshu_train.errors import DataError

PATCH = 14
"""Side in pixels of one patch of the vision tower."""
MERGE = 2
"""The merger makes one visual token of MERGE x MERGE patches."""
SIDE = PATCH * MERGE
"""Side in pixels of one visual token; both sides of a fitted picture are multiples of it."""
MAX_RATIO = 200
"""Longer side to shorter side; the image processor raises above it."""


def fitted(width: int, height: int, *, min_pixels: int, max_pixels: int) -> tuple[int, int]:
    """Width and height after the processor's resize. DataError: no area, or more than MAX_RATIO times as long as wide."""
    if not _has_shape(width, height):
        raise DataError(
            f"a picture of {width}x{height} pixels: both sides must be at least 1 and the longer one "
            f"at most {MAX_RATIO} times the shorter; crop it"
        )
    wide, high = round(width / SIDE) * SIDE, round(height / SIDE) * SIDE
    if wide * high > max_pixels:
        shrink = math.sqrt((height * width) / max_pixels)
        high = max(SIDE, math.floor(height / shrink / SIDE) * SIDE)
        wide = max(SIDE, math.floor(width / shrink / SIDE) * SIDE)
    elif wide * high < min_pixels:
        grow = math.sqrt(min_pixels / (height * width))
        high = math.ceil(height * grow / SIDE) * SIDE
        wide = math.ceil(width * grow / SIDE) * SIDE
    return wide, high


def visual_tokens(width: int, height: int, *, min_pixels: int, max_pixels: int) -> int:
    """Tokens of the language model that a picture of this size becomes. Errors as for `fitted`."""
    wide, high = fitted(width, height, min_pixels=min_pixels, max_pixels=max_pixels)
    return (wide // SIDE) * (high // SIDE)


def patches(width: int, height: int, *, min_pixels: int, max_pixels: int) -> int:
    """Patches of the vision tower: MERGE * MERGE for each visual token. Errors as for `fitted`."""
    return MERGE**2 * visual_tokens(width, height, min_pixels=min_pixels, max_pixels=max_pixels)


def settled(width: int, height: int, *, min_pixels: int, max_pixels: int) -> bool:
    """Whether the processor would leave a picture of this size as it is.

    A fitted size is not always settled: rounding a strip of 8200x41 gives 8204x28, whose ratio is above MAX_RATIO.
    """
    same = (width, height)
    return _has_shape(width, height) and fitted(*same, min_pixels=min_pixels, max_pixels=max_pixels) == same


def _has_shape(width: int, height: int) -> bool:
    return min(width, height) >= 1 and max(width, height) / min(width, height) <= MAX_RATIO
