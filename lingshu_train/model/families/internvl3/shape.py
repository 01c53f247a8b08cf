"""The shape of an InternVL3 model: parameter counts and the tokens of its pictures, by arithmetic."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from lingshu_train.model.families import _sizes
from lingshu_train.model.families.internvl3.tiles import Tiles
from lingshu_train.model.shape import Counted, Forward, Linear, Part

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


class TextShape(_sizes.Text):
    """The sizes of the language model, as in `text_config` of the model's published config.json."""

    rope_theta: float = 1_000_000.0
    """Base of the rotary positions."""
    tied: bool = False
    """Whether embedding and output head are one table."""


class VisionShape(_sizes.Vision):
    """The sizes of the vision tower, as in `vision_config` of the model's published config.json."""

    tile: int = TILE
    """Side of a tile in pixels. A tile has (tile / 28) squared tokens: 256 at 448."""
    bias: bool = True
    """Whether queries, keys and values have a bias."""
    norm: Literal["layer_norm", "rms_norm"] = "layer_norm"
    """How a layer's inputs are normalised."""
    query_key_norm: bool = False
    """Whether queries and keys are normalised too."""


class Shape(_sizes.Halves):
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

    def parameters(self) -> dict[Part, int]:
        return {
            "vision_tower": self._vision_tower(),
            "merger": self._merger(),
            "language_model": self._language_model(),
        }

    def linear(self) -> dict[Part, dict[str, Linear]]:
        vision, out = self.vision, self.text.hidden
        square = (vision.hidden, vision.hidden)
        tower = {
            "attention.q_proj": square,
            "attention.k_proj": square,
            "attention.v_proj": square,
            "attention.projection_layer": square,
            "mlp.fc1": (vision.hidden, vision.intermediate),
            "mlp.fc2": (vision.intermediate, vision.hidden),
        }
        return self.layered(tower, {"linear_1": (vision.hidden * SHRINK**2, out), "linear_2": (out, out)})

    def operations(self, counted: Counted) -> Mapping[Part, Forward]:
        """A tile's patches see each other and a place that stands for all of them; no patch sees another tile."""
        each = (self.vision.tile // PATCH) ** 2
        tiles = counted.patches // each
        return self.passed(
            counted,
            places=tiles * (each + 1),
            merged=counted.patches // SHRINK**2,
            seen=self.vision.depth * tiles * (each + 1) ** 2,
            pixels=3 * PATCH**2,
        )

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
        others = text.layers * (text.queries + 2 * text.keys + 2 * text.hidden) + text.hidden
        return text.weights + others + text.table * (1 if text.tied else 2)

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
