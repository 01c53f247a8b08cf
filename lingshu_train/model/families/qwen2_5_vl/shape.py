"""The shape of a Qwen2.5-VL model: parameter counts and the tokens of its pictures, by arithmetic."""

from __future__ import annotations

from typing import ClassVar

from lingshu_train.model import shape
from lingshu_train.model.families._smart_resize import SmartResize
from lingshu_train.model.shape import Part
from lingshu_train.schema import Strict

PATCH, MERGE = 14, 2
"""Of every published model: a token is 28 x 28 pixels, 2 x 2 patches."""
MIN_PIXELS, MAX_PIXELS = 3136, 1_003_520
"""4 to 1,280 tokens: the published floor, and a ceiling (ours) with which several pictures fit into 8,192 tokens."""


class TextShape(Strict):
    """The language model. `mrope_section` sums to half the head dimension."""

    hidden: int
    layers: int
    heads: int
    key_value_heads: int
    intermediate: int
    vocabulary: int
    mrope_section: tuple[int, ...]
    rope_theta: float = 1_000_000.0
    tied: bool = False


class VisionShape(Strict):
    """The vision tower. Pixels per token: (patch * merge) squared."""

    hidden: int
    depth: int
    heads: int
    intermediate: int
    full_attention: tuple[int, ...]
    window: int = 112
    patch: int = PATCH
    merge: int = MERGE
    temporal_patch: int = 2


class Shape(shape.Shape):
    """Both halves. Source of the 7B and 32B numbers: their published config.json."""

    model_type: ClassVar[str] = "qwen2_5_vl"

    text: TextShape
    vision: VisionShape

    @property
    def vocabulary(self) -> int:
        return self.text.vocabulary

    def parameters(self) -> dict[Part, int]:
        return {
            "vision_tower": self._vision_tower(),
            "merger": self._merger(),
            "language_model": self._language_model(),
        }

    def budget(self, *, min_pixels: int, max_pixels: int) -> SmartResize:
        return SmartResize(
            min_pixels=min_pixels, max_pixels=max_pixels, patch=self.vision.patch, merge=self.vision.merge
        )

    @classmethod
    def published_budget(cls, *, min_pixels: int | None = None, max_pixels: int | None = None) -> SmartResize:
        return SmartResize(
            min_pixels=MIN_PIXELS if min_pixels is None else min_pixels,
            max_pixels=MAX_PIXELS if max_pixels is None else max_pixels,
            patch=PATCH,
            merge=MERGE,
        )

    def _language_model(self) -> int:
        text = self.text
        kv = text.key_value_heads * (text.hidden // text.heads)
        attention = text.hidden * (text.hidden + 2 * kv) + text.hidden + 2 * kv + text.hidden * text.hidden
        layer = attention + 3 * text.hidden * text.intermediate + 2 * text.hidden
        embedding = text.vocabulary * text.hidden
        return text.layers * layer + text.hidden + embedding * (1 if text.tied else 2)

    def _vision_tower(self) -> int:
        vision = self.vision
        patch = 3 * vision.temporal_patch * vision.patch**2 * vision.hidden
        attention = 4 * vision.hidden**2 + 4 * vision.hidden
        mlp = 3 * vision.hidden * vision.intermediate + 2 * vision.intermediate + vision.hidden
        return patch + vision.depth * (attention + mlp + 2 * vision.hidden)

    def _merger(self) -> int:
        vision, out = self.vision, self.text.hidden
        wide = vision.hidden * vision.merge**2
        return vision.hidden + wide * wide + wide + wide * out + out
