"""Cutting a view out of a picture: square, shifted and zoomed at random, never mirrored, of random tone."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image, ImageFilter

KEPT = 6
"""A picture is kept at this many times the side of a view: enough for the strongest zoom."""
STRETCH = 0.12
"""Largest change of width and of height, each on its own."""
BLUR = 1.2
"""Largest radius of blur, in pixels of a view."""
AIR = 40
"""Brightness below which a pixel counts as air or background."""


def body(image: Image.Image) -> Image.Image:
    """Cut to the smallest box around everything that is not nearly black."""
    box = image.convert("L").point([255 * (level >= AIR) for level in range(256)]).getbbox()
    return image.crop(box) if box else image


def square(image: Image.Image, side: int) -> Image.Image:
    """Padded with black to a square, and reduced to `KEPT` times the side of a view where it is larger."""
    widest = max(image.size)
    padded = Image.new("RGB", (widest, widest))
    padded.paste(image, ((widest - image.width) // 2, (widest - image.height) // 2))
    kept = side * KEPT
    return padded.resize((kept, kept), Image.Resampling.BOX) if widest > kept else padded


def cut(image: Image.Image, rng: np.random.Generator, *, side: int, zoom: tuple[float, float]) -> Image.Image:
    """A `side` x `side` view. `zoom` bounds the part of each side that it shows; never mirrored."""
    part = rng.uniform(*zoom) * image.width
    width, height = (min(part * rng.uniform(1 - STRETCH, 1 + STRETCH), image.width) for _ in range(2))
    left, top = rng.uniform(0.0, image.width - width), rng.uniform(0.0, image.height - height)
    box = (float(left), float(top), float(left + width), float(top + height))
    return image.resize((side, side), Image.Resampling.BILINEAR, box=box)


def blur(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """As sharp as it is, or less: sharpness would tell the few sources apart."""
    return image.filter(ImageFilter.BoxBlur(float(rng.uniform(0.0, BLUR))))


def tone(image: Image.Image, gamma: float) -> Image.Image:
    """Brightness curve x ** gamma on every channel; black and white stay."""
    curve = [round(255 * math.pow(level / 255, gamma)) for level in range(256)]
    return image.point(curve * len(image.getbands()))


def bright_share(image: Image.Image) -> float:
    """Share of pixels brighter than middle grey (luminance above 127)."""
    counts = image.convert("L").histogram()
    return sum(counts[128:]) / sum(counts)


def toned_to_share(image: Image.Image, share: float) -> Image.Image | None:
    """The picture with `share` of it brighter than middle grey; None where no fair curve does that."""
    counts = image.convert("L").histogram()
    wanted, above, level = share * sum(counts), 0, 255
    while level > 0 and above + counts[level] < wanted:
        above += counts[level]
        level -= 1
    # The logarithm of a level near black or white, and a gamma beyond a factor of three, would flatten the picture.
    if not 8 <= level <= 247:
        return None
    gamma = math.log(127.5 / 255) / math.log(level / 255)
    return tone(image, gamma) if 0.3 <= gamma <= 3.0 else None
