"""The shape of a Gemma 3 model: parameter counts and the tokens of its pictures, by arithmetic."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import model_validator

from lingshu_train.model.families import _sizes
from lingshu_train.model.families.gemma3.square import Square
from lingshu_train.model.shape import Counted, Forward, Linear, Part

SIDE, PATCH, TOKENS = 896, 14, 256
"""Of every published model: a picture is 64 x 64 patches, whose features are averaged to 16 x 16 tokens."""
START, IMAGE, END = "<start_of_image>", "<image_soft_token>", "<end_of_image>"
TURN, TURN_ENDS = "<start_of_turn>", "<end_of_turn>"
SPECIAL = ("<pad>", "<eos>", "<bos>", "<unk>", "<mask>", TURN, TURN_ENDS, START, END, IMAGE)


class TextShape(_sizes.HeadedText):
    """The sizes of the language model, as in `text_config` of the model's published config.json. The output head is
    the embedding."""

    window: int = 1024
    """Tokens that a layer with a window sees: the token itself and those before it."""
    pattern: int = 6
    """Each layer whose number, from 1, this divides sees all tokens; the others have a window."""
    query_scale: int = 256
    """Attention is divided by the root of it."""
    rope_theta: float = 1_000_000.0
    """Base of the rotary positions in layers that see all tokens."""
    rope_theta_local: float = 10_000.0
    """The same in layers with a window."""
    rope_factor: float = 8.0
    """By which positions are divided in layers that see all tokens."""


class VisionShape(_sizes.Vision):
    """The sizes of the vision tower, a SigLIP, as in `vision_config` of the model's published config.json."""

    side: int = SIDE
    """Side in pixels of the square to which every picture is stretched."""
    tokens: int = TOKENS
    """Tokens of a picture, a square number: as many cells of its patches are averaged."""


class Shape(_sizes.Halves):
    """Both halves. Source of the published models' numbers: their config.json."""

    context: ClassVar[int] = 131_072
    control: ClassVar[tuple[str, ...]] = SPECIAL
    model_type: ClassVar[str] = "gemma3"
    elsewhere: ClassVar[Mapping[str, str]] = {
        "gemma3_text": "this is the language model alone, which sees no picture; take one with pictures (google/medgemma-4b-it)"
    }
    looks_ahead: ClassVar[bool] = True
    unserved: ClassVar[str] = (
        "it puts the line ends around a picture itself, where a prompt has them here, and on a CPU lets no token of a picture "
        "see a later one"
    )

    text: TextShape
    """The language model."""
    vision: VisionShape
    """The vision tower."""

    @model_validator(mode="after")
    def _patches_make_whole_tokens(self) -> Shape:
        vision = self.vision
        across, cells = vision.side // PATCH, round(vision.tokens**0.5)
        if vision.side % PATCH or cells**2 != vision.tokens or across % cells:
            raise ValueError(
                f"vision: {vision.side} pixels in patches of {PATCH} do not make {vision.tokens} tokens, "
                "which must be a square number whose root divides the patches on a side"
            )
        return self

    def parameters(self) -> dict[Part, int]:
        vision, text = self.vision, self.text
        return {
            "vision_tower": self._vision_tower(),
            "merger": vision.hidden * text.hidden + vision.hidden,
            "language_model": self._language_model(),
        }

    def linear(self) -> dict[Part, dict[str, Linear]]:
        """The merger has none: its one matrix is a parameter that no adapter can stand beside."""
        vision = self.vision
        square = (vision.hidden, vision.hidden)
        tower = {
            "self_attn.q_proj": square,
            "self_attn.k_proj": square,
            "self_attn.v_proj": square,
            "self_attn.out_proj": square,
            "mlp.fc1": (vision.hidden, vision.intermediate),
            "mlp.fc2": (vision.intermediate, vision.hidden),
        }
        return self.layered(tower, {})

    def operations(self, counted: Counted) -> Mapping[Part, Forward]:
        """Every layer of the text as one that sees all tokens: what windows spare is not counted."""
        vision = self.vision
        found = self.passed(
            counted,
            places=counted.patches,
            merged=0,
            seen=vision.depth * counted.patch_squares,
            pixels=3 * PATCH**2,
        )
        tokens = counted.patches // (vision.side // PATCH) ** 2 * vision.tokens
        return found | {"merger": Forward(2.0 * tokens * vision.hidden * self.text.hidden, 0.0)}

    def budget(self, *, min_pixels: int, max_pixels: int) -> Square:
        vision = self.vision
        area = vision.side**2
        if not min_pixels <= area <= max_pixels:
            raise ValueError(
                f"every picture of this family has {area} pixels ({vision.side} x {vision.side}): min_pixels {min_pixels} and "
                f"max_pixels {max_pixels} must leave room for that; set both to {area}"
            )
        return Square(
            min_pixels=min_pixels,
            max_pixels=max_pixels,
            side=vision.side,
            patch=PATCH,
            per_picture=vision.tokens,
        )

    @classmethod
    def published_budget(cls, *, min_pixels: int | None = None, max_pixels: int | None = None) -> Square:
        return Square(
            min_pixels=SIDE**2 if min_pixels is None else min_pixels,
            max_pixels=SIDE**2 if max_pixels is None else max_pixels,
            side=SIDE,
            patch=PATCH,
            per_picture=TOKENS,
        )

    def _language_model(self) -> int:
        text = self.text
        norms = text.layers * (2 * text.head + 4 * text.hidden) + text.hidden
        return text.weights + norms + text.table

    def _vision_tower(self) -> int:
        vision, wide = self.vision, self.vision.hidden
        embeddings = (3 * PATCH**2 + 1) * wide + (vision.side // PATCH) ** 2 * wide
        attention = 4 * wide * wide + 4 * wide
        mlp = 2 * wide * vision.intermediate + vision.intermediate + wide
        return embeddings + vision.depth * (attention + mlp + 4 * wide) + 2 * wide
