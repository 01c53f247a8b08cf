"""The shape of a Qwen2.5-VL model: parameter counts and the tokens of its pictures, by arithmetic."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from lingshu_train.model.families import _sizes
from lingshu_train.model.families._qwen_tokens import ADDED, SPECIAL
from lingshu_train.model.families._smart_resize import SmartResize
from lingshu_train.model.shape import Counted, Depth, Forward, Linear, Part

PATCH, MERGE = 14, 2
"""Of every published model: a token is 28 x 28 pixels, 2 x 2 patches."""
MIN_PIXELS, MAX_PIXELS = 3136, 1_003_520
"""4 to 1,280 tokens: the published floor, and a ceiling (ours) with which several pictures fit into 8,192 tokens."""


class TextShape(_sizes.Text):
    """The sizes of the language model, as in the model's published config.json."""

    mrope_section: tuple[int, ...]
    """How the rotary positions are divided among time, height and width; sums to half the head dimension."""
    rope_theta: float = 1_000_000.0
    """Base of the rotary positions."""
    tied: bool = False
    """Whether input and output embedding are one table."""


class VisionShape(_sizes.Vision):
    """The sizes of the vision tower, as in the model's published config.json."""

    full_attention: tuple[int, ...]
    """Numbers of the layers, from 0, that attend over the whole picture; the others over windows."""
    window: int = 112
    """Side of an attention window in pixels."""
    patch: int = PATCH
    """Side of a patch in pixels."""
    merge: int = MERGE
    """Patches on a side that become one token: pixels per token are (patch * merge) squared."""
    temporal_patch: int = 2
    """Frames of a patch; a still picture is shown twice."""


class Shape(_sizes.Halves):
    """Both halves. Source of the 7B and 32B numbers: their published config.json."""

    context: ClassVar[int] = 32_768
    """Without the scaling of positions that the publisher describes for longer text."""
    control: ClassVar[tuple[str, ...]] = (*SPECIAL, *ADDED)
    model_type: ClassVar[str] = "qwen2_5_vl"

    text: TextShape
    """The language model."""
    vision: VisionShape
    """The vision tower."""

    def parameters(self) -> dict[Part, int]:
        return {
            "vision_tower": self._vision_tower(),
            "merger": self._merger(),
            "language_model": self._language_model(),
        }

    def linear(self) -> dict[Part, dict[str, Linear]]:
        vision = self.vision
        wide = vision.hidden * vision.merge**2
        up = (vision.hidden, vision.intermediate)
        tower = {
            "attn.qkv": (vision.hidden, 3 * vision.hidden),
            "attn.proj": (vision.hidden, vision.hidden),
            "mlp.gate_proj": up,
            "mlp.up_proj": up,
            "mlp.down_proj": (vision.intermediate, vision.hidden),
        }
        return self.layered(tower, {"mlp.0": (wide, wide), "mlp.2": (wide, self.text.hidden)})

    def operations(self, counted: Counted) -> Mapping[Part, Forward]:
        """Windows of the vision tower count as full ones: where a picture's sides are no multiple of a window's, that is
        somewhat more than its attention has."""
        vision, whole = self.vision, len(self.vision.full_attention)
        seen = (
            whole * counted.patch_squares
            + (vision.depth - whole) * counted.patches * (vision.window // vision.patch) ** 2
        )
        return self.passed(
            counted,
            places=counted.patches,
            merged=counted.patches // vision.merge**2,
            seen=seen,
            pixels=3 * vision.temporal_patch * vision.patch**2,
        )

    def depths(self) -> dict[Depth, int]:
        whole = len(self.vision.full_attention)
        return {"text": self.text.layers, "vision": self.vision.depth - whole, "vision_beside": whole}

    def with_depths(self, depths: Mapping[Depth, int]) -> _sizes.Halves:
        windows = depths["vision"]
        depth = windows + depths["vision_beside"]
        # The last layer looks at the whole picture, as in the published models.
        vision = {"depth": depth, "full_attention": tuple(range(windows, depth))}
        return self.changed(text={"layers": depths["text"]}, vision=vision)

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
        others = text.layers * (text.queries + 2 * text.keys + 2 * text.hidden) + text.hidden
        return text.weights + others + text.table * (1 if text.tied else 2)

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
