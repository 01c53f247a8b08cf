"""The shape of a Qwen2.5-VL model and its parameter counts by arithmetic, so that a plan needs no torch."""

from __future__ import annotations

from lingshu_train.schema import Strict

PARTS = ("vision_tower", "merger", "language_model")
"""The trainable parts, in the paper's words: vision encoder, projector, LLM (output head included)."""


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
    """The vision tower. Pixels per token: (patch * merge) squared, 28 x 28 for Qwen2.5-VL."""

    hidden: int
    depth: int
    heads: int
    intermediate: int
    full_attention: tuple[int, ...]
    window: int = 112
    patch: int = 14
    merge: int = 2
    temporal_patch: int = 2


class Shape(Strict):
    """Both halves. Source of the 7B and 32B numbers: their published config.json."""

    text: TextShape
    vision: VisionShape


def parameters(shape: Shape) -> dict[str, int]:
    """Number of parameters of each part; tied embeddings count once."""
    text, vision = shape.text, shape.vision
    head = text.hidden // text.heads
    kv = text.key_value_heads * head
    attention = text.hidden * (text.hidden + 2 * kv) + text.hidden + 2 * kv + text.hidden * text.hidden
    layer = attention + 3 * text.hidden * text.intermediate + 2 * text.hidden
    embedding = text.vocabulary * text.hidden
    language = text.layers * layer + text.hidden + embedding * (1 if text.tied else 2)

    patch = 3 * vision.temporal_patch * vision.patch**2 * vision.hidden
    vision_attention = 4 * vision.hidden**2 + 4 * vision.hidden
    vision_mlp = 3 * vision.hidden * vision.intermediate + 2 * vision.intermediate + vision.hidden
    tower = patch + vision.depth * (vision_attention + vision_mlp + 2 * vision.hidden)

    wide = vision.hidden * vision.merge**2
    merger = vision.hidden + wide * wide + wide + wide * text.hidden + text.hidden
    return {"vision_tower": tower, "merger": merger, "language_model": language}
