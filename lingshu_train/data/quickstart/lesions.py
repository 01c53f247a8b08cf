"""Drawing discs into real slices: soft-edged, at most one per cell, in clear contrast to the tissue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from lingshu_train.data.quickstart.views import AIR

Shade = Literal["bright", "dark"]
CELL = 28
"""Side of a cell in pixels, whatever model reads the picture, so that models are asked the same questions: the largest disc
with its edge (19 pixels) may lie anywhere in it. For the quickstart's model it is also one visual token, so that
counting is learned in minutes."""
EDGE = 1.5
"""Width in pixels over which a disc fades into the tissue."""
LEVEL: dict[Shade, float] = {"bright": 245.0, "dark": 10.0}
"""Far from the greys that `soften` leaves to tissue, and from white and black, which clipping would round."""
MOSTLY = 0.9
"""A disc lies on tissue where this share of the pixels under it is not air."""
ROOM = 3
"""Cells with room that every picture must have, even for no disc: else the outline tells their number."""


class Disc(NamedTuple):
    """A lesion: its centre (row, column) and radius in pixels."""

    centre: tuple[float, float]
    radius: float
    shade: Shade


def soften(image: Image.Image) -> Image.Image:
    """Bring all tissue to middle greys, which leaves black and white to the discs: 0..255 to 60..170."""
    return image.convert("L").point([round(60 + level * 110 / 255) for level in range(256)])


def draw(
    image: Image.Image, rng: np.random.Generator, *, count: int, shade: Shade, radius: float
) -> Image.Image | None:
    """`count` (at most 3) discs in different cells, all on tissue. None where fewer than three have room."""
    free = places(np.asarray(image.convert("L"), dtype=np.float64), rng, radius)
    if len(free) < ROOM:
        return None
    order = rng.permutation(len(free))[:count]
    return put(image, [free[index] for index in order], radius=radius, shade=shade)


def put(
    image: Image.Image, centres: Sequence[tuple[float, float]], *, radius: float, shade: Shade
) -> Image.Image:
    """The image, softened, with a disc at each centre."""
    return painted(image, [Disc(centre, radius, shade) for centre in centres])


def painted(image: Image.Image, discs: Sequence[Disc]) -> Image.Image:
    """The image, softened, with these discs."""
    pixels = np.asarray(soften(image), dtype=np.float64)
    for disc in discs:
        pixels = _disc(pixels, disc.centre, radius=disc.radius, level=LEVEL[disc.shade])
    return Image.fromarray(np.rint(pixels).astype(np.uint8)).convert("RGB")


def places(
    pixels: npt.NDArray[np.float64], rng: np.random.Generator, radius: float
) -> list[tuple[float, float]]:
    """One random centre (row, column) for every cell with tissue for a disc that stays inside the cell."""
    rows, columns = pixels.shape[0] // CELL, pixels.shape[1] // CELL
    margin = radius + EDGE
    found = []
    for row in range(rows):
        for column in range(columns):
            y, x = np.array([row, column]) * CELL + rng.uniform(margin, CELL - margin, size=2)
            reach = round(radius)
            around = pixels[round(y) - reach : round(y) + reach + 1, round(x) - reach : round(x) + reach + 1]
            if np.mean(around >= AIR) >= MOSTLY:
                found.append((float(y), float(x)))
    return found


def _disc(
    pixels: npt.NDArray[np.float64], centre: tuple[float, float], *, radius: float, level: float
) -> npt.NDArray[np.float64]:
    """Blend towards `level` inside the disc. The edge is a linear ramp: every processor rounds it alike."""
    y, x = np.ogrid[: pixels.shape[0], : pixels.shape[1]]
    distance = np.sqrt((y - centre[0]) ** 2 + (x - centre[1]) ** 2)
    share = np.clip((radius + EDGE - distance) / EDGE, 0.0, 1.0)
    blended: npt.NDArray[np.float64] = pixels * (1 - share) + level * share
    return blended
