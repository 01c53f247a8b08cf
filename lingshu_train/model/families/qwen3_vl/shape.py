"""The shape of a Qwen3-VL model: parameter counts and the tokens of its pictures, by arithmetic."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import model_validator

from lingshu_train.model.families import _sizes
from lingshu_train.model.families._qwen_tokens import ADDED, SPECIAL, THIRD
from lingshu_train.model.families._smart_resize import SmartResize
from lingshu_train.model.shape import Counted, Depth, Forward, Linear, Part

PATCH, MERGE = 16, 2
"""Of every published model: a token is 32 x 32 pixels, 2 x 2 patches."""
MIN_PIXELS, MAX_PIXELS = 65_536, 1_310_720
"""64 to 1,280 tokens: the published floor, and a ceiling (ours) with which several pictures fit into 8,192 tokens."""


class TextShape(_sizes.HeadedText):
    """The sizes of the language model, as in the model's published config.json."""

    mrope_section: tuple[int, ...]
    """How the rotary positions are divided among time, height and width; sums to half the width of a head."""
    rope_theta: float = 5_000_000.0
    """Base of the rotary positions."""
    tied: bool = False
    """Whether input and output embedding are one table."""


class VisionShape(_sizes.Vision):
    """The sizes of the vision tower, as in the model's published config.json."""

    deepstack: tuple[int, ...]
    """Numbers of the layers, from 0, whose features are added to the tokens in the first layers of the language model."""
    positions: int = 2304
    """Learned positions, the cells of a square grid that is stretched over each picture."""
    patch: int = PATCH
    """Side of a patch in pixels."""
    merge: int = MERGE
    """Patches on a side that become one token: pixels per token are (patch * merge) squared."""
    temporal_patch: int = 2
    """Frames of a patch; a still picture is shown twice."""


class Shape(_sizes.Halves):
    """Both halves. Source of the published models' numbers: their config.json."""

    context: ClassVar[int] = 262_144
    control: ClassVar[tuple[str, ...]] = (*SPECIAL, *ADDED, *THIRD)
    model_type: ClassVar[str] = "qwen3_vl"
    elsewhere: ClassVar[Mapping[str, str]] = {
        "qwen3_vl_moe": "this is a mixture of experts, which no family here is: its router's loss, adapters of experts and the "
        "share of parameters at work are not counted; take a dense one (2B, 4B, 8B, 32B)"
    }

    text: TextShape
    """The language model."""
    vision: VisionShape
    """The vision tower."""

    @model_validator(mode="after")
    def _features_reach_a_layer(self) -> Shape:
        depths, text, vision = self.vision.deepstack, self.text, self.vision
        if any(not 0 <= number < vision.depth for number in depths) or len(set(depths)) < len(depths):
            raise ValueError(
                f"vision.deepstack names layers of the tower, 0 to {vision.depth - 1}, each once"
            )
        if len(depths) > text.layers:
            raise ValueError(f"vision.deepstack names {len(depths)} layers, and text.layers is {text.layers}")
        return self

    def parameters(self) -> dict[Part, int]:
        return {
            "vision_tower": self._vision_tower(),
            "merger": self._mergers(),
            "language_model": self._language_model(),
        }

    def linear(self) -> dict[Part, dict[str, Linear]]:
        vision = self.vision
        wide = vision.hidden * vision.merge**2
        tower = {
            "attn.qkv": (vision.hidden, 3 * vision.hidden),
            "attn.proj": (vision.hidden, vision.hidden),
            "mlp.linear_fc1": (vision.hidden, vision.intermediate),
            "mlp.linear_fc2": (vision.intermediate, vision.hidden),
        }
        merger = {"linear_fc1": (wide, wide), "linear_fc2": (wide, self.text.hidden)}
        return self.layered(tower, merger, mergers=1 + len(vision.deepstack))

    def operations(self, counted: Counted) -> Mapping[Part, Forward]:
        """A layer of the tower attends over the whole picture."""
        vision = self.vision
        return self.passed(
            counted,
            places=counted.patches,
            merged=counted.patches // vision.merge**2,
            seen=vision.depth * counted.patch_squares,
            pixels=3 * vision.temporal_patch * vision.patch**2,
        )

    def depths(self) -> dict[Depth, int]:
        """Layers of the tower whose features go on have a merger of their own, and are added in a layer of the text."""
        beside = len(self.vision.deepstack)
        return {"text": self.text.layers, "vision": self.vision.depth - beside, "vision_beside": beside}

    def with_depths(self, depths: Mapping[Depth, int]) -> _sizes.Halves:
        plain = depths["vision"]
        depth = plain + depths["vision_beside"]
        vision = {"depth": depth, "deepstack": tuple(range(plain, depth))}
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
        norms = text.layers * (2 * text.head + 2 * text.hidden) + text.hidden
        return text.weights + norms + text.table * (1 if text.tied else 2)

    def _vision_tower(self) -> int:
        vision = self.vision
        patch = (3 * vision.temporal_patch * vision.patch**2 + 1) * vision.hidden
        attention = 4 * vision.hidden**2 + 4 * vision.hidden
        mlp = 2 * vision.hidden * vision.intermediate + vision.intermediate + vision.hidden
        learned = vision.positions * vision.hidden
        return patch + learned + vision.depth * (attention + mlp + 4 * vision.hidden)

    def _mergers(self) -> int:
        """One after the last layer, which normalises patches, and one for each depth, which normalises tokens."""
        vision, out = self.vision, self.text.hidden
        wide = vision.hidden * vision.merge**2
        layers = wide * wide + wide + wide * out + out
        return 2 * vision.hidden + layers + len(vision.deepstack) * (2 * wide + layers)
