"""The shape of a Qwen2.5-VL model: parameter counts and the tokens of its pictures, by arithmetic."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from lingshu_train.model import shape
from lingshu_train.model.families._qwen_tokens import ADDED, SPECIAL
from lingshu_train.model.families._smart_resize import SmartResize
from lingshu_train.model.shape import Counted, Depth, Forward, Linear, Part
from lingshu_train.schema import Strict

PATCH, MERGE = 14, 2
"""Of every published model: a token is 28 x 28 pixels, 2 x 2 patches."""
MIN_PIXELS, MAX_PIXELS = 3136, 1_003_520
"""4 to 1,280 tokens: the published floor, and a ceiling (ours) with which several pictures fit into 8,192 tokens."""


class TextShape(Strict):
    """The sizes of the language model, as in the model's published config.json."""

    hidden: int
    """Width of the language model."""
    layers: int
    """Layers of the language model."""
    heads: int
    """Attention heads of a layer."""
    key_value_heads: int
    """Heads that hold keys and values, each shared by several attention heads."""
    intermediate: int
    """Width of the feed-forward part of a layer."""
    vocabulary: int
    """Rows of the embedding: tokens that there are. Bounds the tokenizer that a `build` stage trains."""
    mrope_section: tuple[int, ...]
    """How the rotary positions are divided among time, height and width; sums to half the head dimension."""
    rope_theta: float = 1_000_000.0
    """Base of the rotary positions."""
    tied: bool = False
    """Whether input and output embedding are one table."""


class VisionShape(Strict):
    """The sizes of the vision tower, as in the model's published config.json."""

    hidden: int
    """Width of the vision tower."""
    depth: int
    """Layers of the vision tower."""
    heads: int
    """Attention heads of a layer."""
    intermediate: int
    """Width of the feed-forward part of a layer."""
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


class Shape(shape.Shape):
    """Both halves. Source of the 7B and 32B numbers: their published config.json."""

    context: ClassVar[int] = 32_768
    """Without the scaling of positions that the publisher describes for longer text."""
    control: ClassVar[tuple[str, ...]] = (*SPECIAL, *ADDED)
    model_type: ClassVar[str] = "qwen2_5_vl"

    text: TextShape
    """The language model."""
    vision: VisionShape
    """The vision tower."""

    @property
    def vocabulary(self) -> int:
        return self.text.vocabulary

    def parameters(self) -> dict[Part, int]:
        return {
            "vision_tower": self._vision_tower(),
            "merger": self._merger(),
            "language_model": self._language_model(),
        }

    def linear(self) -> dict[Part, dict[str, Linear]]:
        text, vision = self.text, self.vision
        kv = text.key_value_heads * (text.hidden // text.heads)
        wide = vision.hidden * vision.merge**2
        up, down = (text.hidden, text.intermediate), (text.intermediate, text.hidden)
        sizes: dict[Part, dict[str, tuple[int, int]]] = {
            "vision_tower": {
                "attn.qkv": (vision.hidden, 3 * vision.hidden),
                "attn.proj": (vision.hidden, vision.hidden),
                "mlp.gate_proj": (vision.hidden, vision.intermediate),
                "mlp.up_proj": (vision.hidden, vision.intermediate),
                "mlp.down_proj": (vision.intermediate, vision.hidden),
            },
            "merger": {"mlp.0": (wide, wide), "mlp.2": (wide, text.hidden)},
            "language_model": {
                "self_attn.q_proj": (text.hidden, text.hidden),
                "self_attn.k_proj": (text.hidden, kv),
                "self_attn.v_proj": (text.hidden, kv),
                "self_attn.o_proj": (text.hidden, text.hidden),
                "mlp.gate_proj": up,
                "mlp.up_proj": up,
                "mlp.down_proj": down,
            },
        }
        times: dict[Part, int] = {"vision_tower": vision.depth, "merger": 1, "language_model": text.layers}
        return {
            part: {name: Linear(*size, times=times[part]) for name, size in found.items()}
            for part, found in sizes.items()
        }

    def operations(self, counted: Counted) -> Mapping[Part, Forward]:
        """Windows of the vision tower count as full ones: where a picture's sides are no multiple of a window's, that is
        somewhat more than its attention has."""
        text, vision = self.text, self.vision
        times: dict[Part, int] = {
            "vision_tower": counted.patches,
            "merger": counted.patches // vision.merge**2,
            "language_model": counted.tokens,
        }
        weights = {
            part: 2.0 * times[part] * sum(one.weights for one in found.values())
            for part, found in self.linear().items()
        }
        pixels = 2.0 * counted.patches * 3 * vision.temporal_patch * vision.patch**2 * vision.hidden
        weights["language_model"] += 2.0 * counted.taught * text.vocabulary * text.hidden
        whole = len(vision.full_attention)
        seen = (
            whole * counted.patch_squares
            + (vision.depth - whole) * counted.patches * (vision.window // vision.patch) ** 2
        )
        return {
            "vision_tower": Forward(weights["vision_tower"], 4.0 * vision.hidden * seen, pixels),
            "merger": Forward(weights["merger"], 0.0),
            "language_model": Forward(
                weights["language_model"], 2.0 * text.hidden * text.layers * counted.squares
            ),
        }

    @property
    def largest(self) -> int:
        return self.text.vocabulary * self.text.hidden

    @property
    def cached(self) -> int:
        text = self.text
        return text.layers * 2 * text.key_value_heads * (text.hidden // text.heads)

    def depths(self) -> dict[Depth, int]:
        whole = len(self.vision.full_attention)
        return {"text": self.text.layers, "vision": self.vision.depth - whole, "vision_beside": whole}

    def with_depths(self, depths: Mapping[Depth, int]) -> Shape:
        windows = depths["vision"]
        depth = windows + depths["vision_beside"]
        # The last layer looks at the whole picture, as in the published models.
        vision = self.vision.model_copy(
            update={"depth": depth, "full_attention": tuple(range(windows, depth))}
        )
        text = self.text.model_copy(update={"layers": depths["text"]})
        return self.model_copy(update={"text": text, "vision": vision})

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
