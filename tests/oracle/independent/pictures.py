"""A picture as the patches of the vision tower, and how many of them: resize, scale, normalise, cut. In float64."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image

PATCH, MERGE, FRAMES = 14, 2, 2
MEAN = np.array([0.48145466, 0.4578275, 0.40821073])
SPREAD = np.array([0.26862954, 0.26130258, 0.27577711])
"""CLIP's (arXiv:2103.00020)."""


@dataclass(frozen=True)
class Grid:
    """Patches of a picture by its height and width."""

    high: int
    wide: int

    @property
    def tokens(self) -> int:
        return self.high * self.wide // MERGE**2


def fitted(width: int, height: int, *, least: int, most: int) -> tuple[int, int]:
    """Multiples of 28 near the picture's own size, whose product is between `least` and `most` pixels."""
    unit = PATCH * MERGE
    wide, high = round(width / unit) * unit, round(height / unit) * unit
    if wide * high > most:
        factor = math.sqrt(width * height / most)
        wide = max(unit, int(width / factor // unit) * unit)
        high = max(unit, int(height / factor // unit) * unit)
    elif wide * high < least:
        factor = math.sqrt(least / (width * height))
        wide = math.ceil(width * factor / unit) * unit
        high = math.ceil(height * factor / unit) * unit
    return wide, high


def patches(picture: Image.Image, *, least: int, most: int) -> tuple[np.ndarray, Grid]:
    """(N, 3 * 2 * 14 * 14), the four patches of a token after one another, and their grid."""
    wide, high = fitted(*picture.size, least=least, most=most)
    pixels = np.asarray(picture.resize((wide, high), Image.Resampling.BICUBIC), np.float64) / 255
    pixels = (pixels - MEAN) / SPREAD
    found = []
    unit = PATCH * MERGE
    for top in range(0, high, unit):
        for left in range(0, wide, unit):
            for down in range(0, unit, PATCH):
                for right in range(0, unit, PATCH):
                    y, x = top + down, left + right
                    cut = pixels[y : y + PATCH, x : x + PATCH].transpose(2, 0, 1)
                    found.append(np.repeat(cut[:, None], FRAMES, axis=1).reshape(-1))
    return np.stack(found), Grid(high // PATCH, wide // PATCH)
