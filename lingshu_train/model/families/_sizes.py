"""What the sizes of most families have in common: keys of both halves, linear layers, operations of a forward pass. No torch.

The language models are decoders of one build: queries, keys, values, an output, and a gated feed-forward part.
"""

from __future__ import annotations

from collections.abc import Mapping

from lingshu_train.model import shape
from lingshu_train.model.shape import Counted, Depth, Forward, Linear, Part
from lingshu_train.schema import Strict

Sizes = Mapping[str, tuple[int, int]]
"""Linear layers by the ends of their names: values in and out."""


class Text(Strict):
    """The sizes of a language model, as in `text_config` of its published config.json."""

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

    @property
    def queries(self) -> int:
        """Numbers in the queries of a token, in one layer."""
        return self.hidden

    @property
    def keys(self) -> int:
        """Numbers in its keys; its values are as many."""
        return self.key_value_heads * (self.hidden // self.heads)

    @property
    def linear(self) -> Sizes:
        """Those of a layer."""
        up, down = (self.hidden, self.intermediate), (self.intermediate, self.hidden)
        return {
            "self_attn.q_proj": (self.hidden, self.queries),
            "self_attn.k_proj": (self.hidden, self.keys),
            "self_attn.v_proj": (self.hidden, self.keys),
            "self_attn.o_proj": (self.queries, self.hidden),
            "mlp.gate_proj": up,
            "mlp.up_proj": up,
            "mlp.down_proj": down,
        }

    @property
    def weights(self) -> int:
        """Numbers in the matrices of all layers."""
        return self.layers * sum(inputs * outputs for inputs, outputs in self.linear.values())

    @property
    def table(self) -> int:
        """Numbers in the embedding."""
        return self.vocabulary * self.hidden


class HeadedText(Text):
    """A language model whose heads have a width of their own."""

    head: int
    """Width of a head. Heads together may be wider or narrower than the model."""

    @property
    def queries(self) -> int:
        return self.heads * self.head

    @property
    def keys(self) -> int:
        return self.key_value_heads * self.head


class Vision(Strict):
    """The sizes of a vision tower, as in `vision_config` of the model's published config.json."""

    hidden: int
    """Width of the vision tower."""
    depth: int
    """Layers of the vision tower."""
    heads: int
    """Attention heads of a layer."""
    intermediate: int
    """Width of the feed-forward part of a layer."""


class Halves(shape.Shape):
    """A model of a language model and a vision tower. A family adds the two linear layers of its own and counts the rest."""

    text: Text
    """The language model."""
    vision: Vision
    """The vision tower."""

    @property
    def vocabulary(self) -> int:
        return self.text.vocabulary

    @property
    def largest(self) -> int:
        return self.text.table

    @property
    def cached(self) -> int:
        return self.text.layers * 2 * self.text.keys

    def depths(self) -> dict[Depth, int]:
        return {"text": self.text.layers, "vision": self.vision.depth, "vision_beside": 0}

    def with_depths(self, depths: Mapping[Depth, int]) -> Halves:
        return self.changed(text={"layers": depths["text"]}, vision={"depth": depths["vision"]})

    def changed(self, *, text: Mapping[str, object], vision: Mapping[str, object]) -> Halves:
        """The same model with other values of these keys."""
        halves = {
            "text": self.text.model_copy(update=dict(text)),
            "vision": self.vision.model_copy(update=dict(vision)),
        }
        return self.model_copy(update=halves)

    def layered(self, tower: Sizes, merger: Sizes, *, mergers: int = 1) -> dict[Part, dict[str, Linear]]:
        """Linear layers of all parts: of a layer of the tower, and of one of the `mergers`."""
        found: dict[Part, tuple[Sizes, int]] = {
            "vision_tower": (tower, self.vision.depth),
            "merger": (merger, mergers),
            "language_model": (self.text.linear, self.text.layers),
        }
        return {
            part: {name: Linear(*size, times=times) for name, size in sizes.items()}
            for part, (sizes, times) in found.items()
        }

    def passed(
        self, counted: Counted, *, places: int, merged: int, seen: float, pixels: int
    ) -> dict[Part, Forward]:
        """Operations of the forward pass, where the tower works on `places` (its patches, and what stands beside them), the
        merger on `merged` tokens, the tower's attention sees `seen` pairs of places in all its layers together, and a patch
        has `pixels` values."""
        text, vision = self.text, self.vision
        times: dict[Part, int] = {"vision_tower": places, "merger": merged, "language_model": counted.tokens}
        weights = {
            part: 2.0 * times[part] * sum(one.weights for one in found.values())
            for part, found in self.linear().items()
        }
        weights["language_model"] += 2.0 * counted.taught * text.vocabulary * text.hidden
        given = 2.0 * counted.patches * pixels * vision.hidden
        return {
            "vision_tower": Forward(weights["vision_tower"], 4.0 * vision.hidden * seen, given),
            "merger": Forward(weights["merger"], 0.0),
            "language_model": Forward(
                weights["language_model"], 2.0 * text.queries * text.layers * counted.squares
            ),
        }
