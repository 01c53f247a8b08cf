"""Lengths of generated rows, distributed as in the paper's instruction mixture: what the order and packing are measured on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

TOKENS = 8192


@dataclass(frozen=True)
class Lengths:
    """Tokens and vision patches of each row, (n,), in the order of the corpora laid end to end."""

    tokens: np.ndarray
    patches: np.ndarray


def generated(rows: int, *, images: str, seed: int = 0) -> Lengths:
    """35 % text, 50 % one image with an answer, 15 % reasoning of which half has an image."""
    rng = np.random.default_rng(seed)
    kind = rng.choice(3, rows, p=[0.35, 0.5, 0.15]).astype(np.int8)
    seen = (kind == 1) | ((kind == 2) & (rng.random(rows) < 0.5))
    image = np.where(seen, IMAGE_TOKENS[images](rng, rows), 0)
    text = (
        rng.lognormal(np.array([5.5, 4.6, 7.0])[kind], np.array([1.0, 0.9, 0.6])[kind]).astype(np.int64) + 16
    )
    return Lengths(np.minimum(text + image, TOKENS).astype(np.int32), (4 * image).astype(np.int32))


def even_sizes(rng: np.random.Generator, rows: int) -> np.ndarray:
    """Ten sizes from 252 x 252 to the cap, equally often."""
    return rng.choice([81, 121, 169, 256, 324, 400, 529, 729, 1024, 1280], rows)


def capped_sizes(rng: np.random.Generator, rows: int) -> np.ndarray:
    """Sides drawn as files have them and scaled to at most 1,003,520 pixels: over half of the images are at the cap."""
    sides = rng.choice(
        [224, 256, 384, 512, 768, 1024, 2048], (2, rows), p=[0.1, 0.05, 0.05, 0.2, 0.15, 0.25, 0.2]
    )
    sides = np.where(rng.random(rows) < 0.6, sides[0], sides)
    scale = np.minimum(1, np.sqrt(1_003_520 / sides.prod(axis=0)))
    return np.maximum(np.floor(sides * scale / 28), 1).prod(axis=0).astype(np.int64)


IMAGE_TOKENS: dict[str, Callable[[np.random.Generator, int], np.ndarray]] = {
    "even": even_sizes,
    "capped": capped_sizes,
}
