"""The shape of an InternVL3 model: parameter counts and the tokens of its pictures, by arithmetic."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from lingshu_train.model import shape
from lingshu_train.model.families.internvl3.tiles import Tiles
from lingshu_train.model.shape import Counted, Depth, Forward, Linear, Part
from lingshu_train.schema import Strict

TILE, PATCH, SHRINK = 448, 14, 2
"""Of every published model: a tile is 32 x 32 patches, and 2 x 2 of them become one token, 256 in all."""
MOST_TILES = 12
"""Beside a thumbnail: the published bound."""
START, END, IMAGE, VIDEO = "<img>", "</img>", "<IMG_CONTEXT>", "<video>"
SPECIAL = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    START,
    END,
    IMAGE,
    VIDEO,
    "<quad>",
    "</quad>",
    "<ref>",
    "</ref>",
    "<box>",
    "</box>",
)
"""Those with which a model from nothing begins."""
ADDED = (
    *("<|object_ref_start|>", "<|object_ref_end|>", "<|box_start|>", "<|box_end|>", "<|quad_start|>"),
    *("<|quad_end|>", "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>", "<|image_pad|>"),
    *("<|video_pad|>", "<tool_call>", "</tool_call>", "<|fim_prefix|>", "<|fim_middle|>"),
    *("<|fim_suffix|>", "<|fim_pad|>", "<|repo_name|>", "<|file_sep|>"),
)
"""What the published tokenizers, which are Qwen2.5's, read as one token beside them."""


class TextShape(Strict):
    """The sizes of the language model, as in `text_config` of the model's published config.json."""

    hidden: int
    """Width of the language model."""
    layers: int
    """Layers of the language model."""
    heads: int
    """Attention heads of a layer."""
    key_value_heads: int
    """Heads that hold keys and values; several query heads share one."""
    intermediate: int
    """Width of the feed-forward part of a layer."""
    vocabulary: int
    """Rows of the embedding."""
    rope_theta: float = 1_000_000.0
    """Base of the rotary positions."""
    tied: bool = False
    """Whether embedding and output head are one table."""


class VisionShape(Strict):
    """The sizes of the vision tower, as in `vision_config` of the model's published config.json."""

    hidden: int
    """Width of the vision tower."""
    depth: int
    """Layers of the vision tower."""
    heads: int
    """Attention heads of a layer."""
    intermediate: int
    """Width of the feed-forward part of a layer."""
    tile: int = TILE
    """Side of a tile in pixels. A tile has (tile / 28) squared tokens: 256 at 448."""
    bias: bool = True
    """Whether queries, keys and values have a bias."""
    norm: Literal["layer_norm", "rms_norm"] = "layer_norm"
    """How a layer's inputs are normalised."""
    query_key_norm: bool = False
    """Whether queries and keys are normalised too."""


class Shape(shape.Shape):
    """Both halves. Source of the published numbers: the models' config.json."""

    context: ClassVar[int] = 32_768
    """Without the scaling of positions that the publisher sets for longer text."""
    control: ClassVar[tuple[str, ...]] = (*SPECIAL, *ADDED)
    model_type: ClassVar[str] = "internvl"
    elsewhere: ClassVar[Mapping[str, str]] = {
        "internvl_chat": "this is InternVL's own layout: the publisher has the same weights in transformers' under the name "
        "with -hf at its end (OpenGVLab/InternVL3-8B-hf), and `python -m lingshu_train.model.families.internvl3.convert FOLDER "
        "NEW_FOLDER` converts a folder"
    }

    text: TextShape
    """The language model, a Qwen2.5."""
    vision: VisionShape
    """The vision tower, an InternViT."""

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
        wide = vision.hidden * SHRINK**2
        up, down = (text.hidden, text.intermediate), (text.intermediate, text.hidden)
        square = (vision.hidden, vision.hidden)
        sizes: dict[Part, dict[str, tuple[int, int]]] = {
            "vision_tower": {
                "attention.q_proj": square,
                "attention.k_proj": square,
                "attention.v_proj": square,
                "attention.projection_layer": square,
                "mlp.fc1": (vision.hidden, vision.intermediate),
                "mlp.fc2": (vision.intermediate, vision.hidden),
            },
            "merger": {"linear_1": (wide, text.hidden), "linear_2": (text.hidden, text.hidden)},
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
        """A tile's patches see each other and a place that stands for all of them; no patch sees another tile."""
        text, vision = self.text, self.vision
        each = (vision.tile // PATCH) ** 2
        tiles = counted.patches // each
        times: dict[Part, int] = {
            "vision_tower": tiles * (each + 1),
            "merger": counted.patches // SHRINK**2,
            "language_model": counted.tokens,
        }
        weights = {
            part: 2.0 * times[part] * sum(one.weights for one in found.values())
            for part, found in self.linear().items()
        }
        pixels = 2.0 * counted.patches * 3 * PATCH**2 * vision.hidden
        weights["language_model"] += 2.0 * counted.taught * text.vocabulary * text.hidden
        seen = vision.depth * tiles * (each + 1) ** 2
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
        return {"text": self.text.layers, "vision": self.vision.depth, "vision_beside": 0}

    def with_depths(self, depths: Mapping[Depth, int]) -> Shape:
        text = self.text.model_copy(update={"layers": depths["text"]})
        vision = self.vision.model_copy(update={"depth": depths["vision"]})
        return self.model_copy(update={"text": text, "vision": vision})

    def budget(self, *, min_pixels: int, max_pixels: int) -> Tiles:
        return Tiles(
            min_pixels=min_pixels, max_pixels=max_pixels, tile=self.vision.tile, patch=PATCH, shrink=SHRINK
        )

    @classmethod
    def published_budget(cls, *, min_pixels: int | None = None, max_pixels: int | None = None) -> Tiles:
        return Tiles(
            min_pixels=TILE**2 if min_pixels is None else min_pixels,
            max_pixels=MOST_TILES * TILE**2 if max_pixels is None else max_pixels,
            tile=TILE,
            patch=PATCH,
            shrink=SHRINK,
        )

    def _language_model(self) -> int:
        text = self.text
        kv = text.key_value_heads * (text.hidden // text.heads)
        attention = text.hidden * (text.hidden + 2 * kv) + text.hidden + 2 * kv + text.hidden * text.hidden
        layer = attention + 3 * text.hidden * text.intermediate + 2 * text.hidden
        embedding = text.vocabulary * text.hidden
        return text.layers * layer + text.hidden + embedding * (1 if text.tied else 2)

    def _vision_tower(self) -> int:
        vision, wide = self.vision, self.vision.hidden
        # A projection of the patches, the place that stands for all of them, and a position for each and for it.
        embeddings = (3 * PATCH**2 + 1) * wide + wide + ((vision.tile // PATCH) ** 2 + 1) * wide
        attention = 4 * wide * wide + wide + 3 * wide * vision.bias + 2 * wide * vision.query_key_norm
        mlp = 2 * wide * vision.intermediate + vision.intermediate + wide
        norms = 2 * wide * (2 if vision.norm == "layer_norm" else 1)
        scales = 2 * wide
        return embeddings + vision.depth * (attention + mlp + norms + scales)

    def _merger(self) -> int:
        wide, out = self.vision.hidden * SHRINK**2, self.text.hidden
        return 2 * wide + (wide + 1) * out + (out + 1) * out
