"""Sizes of a toy InternVL: a picture becomes 1 to `max_pixels / tile²` tiles and, beside several, a thumbnail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from lingshu_train.model import shape
from lingshu_train.model.shape import Part, Unfit
from lingshu_train.schema import Strict

TILE, PATCH, SHRINK = 56, 14, 2
"""Sides in pixels of a tile and of a patch; SHRINK x SHRINK patches make a token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tiles:
    """A PictureBudget: whole tiles in the arrangement nearest to the picture's proportions."""

    min_pixels: int
    max_pixels: int
    tile: int = TILE
    patch: int = PATCH

    @property
    def grid(self) -> int:
        return 1

    @property
    def most(self) -> int:
        """Tiles of the largest picture, without its thumbnail."""
        return max(1, self.max_pixels // self.tile**2)

    @property
    def per_tile(self) -> int:
        """Tokens of a tile."""
        return (self.tile // self.patch // SHRINK) ** 2

    def fitted(self, width: int, height: int) -> tuple[int, int]:
        """The picture itself: its thumbnail is made of all its pixels."""
        if min(width, height) < 1:
            raise Unfit(f"a picture of {width}x{height} pixels")
        return width, height

    def settled(self, width: int, height: int) -> bool:
        return min(width, height) >= 1

    def tokens(self, width: int, height: int) -> int:
        """Two more than the tiles': the marks around them."""
        return 2 + self.per_tile * self._tiles(width, height)

    def patches(self, width: int, height: int) -> int:
        return (self.tile // self.patch) ** 2 * self._tiles(width, height)

    def _tiles(self, width: int, height: int) -> int:
        self.fitted(width, height)
        best, off = (1, 1), float("inf")
        for columns, rows in self._arrangements():
            distance = abs(width / height - columns / rows)
            crowded = width * height > 0.5 * self.tile**2 * columns * rows
            if distance < off or (distance == off and crowded):
                best, off = (columns, rows), distance
        count = best[0] * best[1]
        return count if count == 1 else count + 1

    def _arrangements(self) -> list[tuple[int, int]]:
        sides = range(1, self.most + 1)
        found = [(columns, rows) for columns in sides for rows in sides if columns * rows <= self.most]
        return sorted(found, key=lambda each: each[0] * each[1])


class TextShape(Strict):
    """A Llama."""

    hidden: int
    """Width of the language model."""
    layers: int
    """Its layers."""
    heads: int
    """Attention heads of a layer."""
    key_value_heads: int
    """Heads that hold keys and values."""
    intermediate: int
    """Width of the feed-forward part."""
    vocabulary: int
    """Rows of the embedding."""


class VisionShape(Strict):
    """An InternVL vision tower."""

    hidden: int
    """Width of the vision tower."""
    depth: int
    """Its layers."""
    heads: int
    """Attention heads of a layer."""
    intermediate: int
    """Width of the feed-forward part."""


class Shape(shape.Shape):
    control: ClassVar[tuple[str, ...]] = (
        *("<pad>", "</s>", "<|system|>", "<|user|>", "<|assistant|>"),
        *("<img>", "</img>", "<IMG_CONTEXT>", "<video>"),
    )

    text: TextShape
    """The language model."""
    vision: VisionShape
    """The vision tower."""

    @property
    def vocabulary(self) -> int:
        return self.text.vocabulary

    def parameters(self) -> dict[Part, int]:
        text, vision = self.text, self.vision
        kv = text.hidden // text.heads * text.key_value_heads
        layer = 2 * text.hidden * (text.hidden + kv) + 3 * text.hidden * text.intermediate + 2 * text.hidden
        language = text.layers * layer + text.hidden + 2 * text.vocabulary * text.hidden

        wide = vision.hidden
        places = (TILE // PATCH) ** 2 + 1
        embeddings = (3 * PATCH**2 + 1) * wide + (places + 1) * wide
        attention = 4 * wide * wide + wide
        mlp = 2 * wide * vision.intermediate + vision.intermediate + wide
        tower = embeddings + vision.depth * (attention + mlp + 6 * wide)

        joined = wide * SHRINK**2
        merger = 2 * joined + (joined + 1) * text.hidden + (text.hidden + 1) * text.hidden
        return {"vision_tower": tower, "merger": merger, "language_model": language}

    def budget(self, *, min_pixels: int, max_pixels: int) -> Tiles:
        return Tiles(min_pixels=min_pixels, max_pixels=max_pixels)

    @classmethod
    def published_budget(cls, *, min_pixels: int | None = None, max_pixels: int | None = None) -> Tiles:
        return Tiles(min_pixels=min_pixels or TILE**2, max_pixels=max_pixels or 4 * TILE**2)
