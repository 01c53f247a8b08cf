"""InternVL3 as training, data and evaluation meet it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import ClassVar

import torch
from transformers import (
    InternVLForConditionalGeneration,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    ProcessorMixin,
)

from lingshu_train.model import family
from lingshu_train.model.families import _byte_bpe
from lingshu_train.model.families.internvl3 import processing, tiny
from lingshu_train.model.families.internvl3.shape import PATCH, SPECIAL
from lingshu_train.model.families.internvl3.shape import Shape as InternVLShape
from lingshu_train.model.families.internvl3.tiles import Tiles
from lingshu_train.model.shape import Part, PictureBudget, Shape


class Family(family.Family):
    """The models whose language model is a Qwen2.5 (1B, 2B, 8B, 14B, 38B and 78B), and tiny ones."""

    architecture: ClassVar[type[PreTrainedModel]] = InternVLForConditionalGeneration
    prefixes: ClassVar[tuple[tuple[str, Part], ...]] = (
        ("model.vision_tower.", "vision_tower"),
        ("model.multi_modal_projector.", "merger"),
        ("model.language_model.", "language_model"),
        ("lm_head.", "language_model"),
    )
    patch: ClassVar[int] = PATCH
    picture_inputs: ClassVar[tuple[str, ...]] = ("pixel_values",)

    def build_processor(self, tokenizer: PreTrainedTokenizerBase, budget: PictureBudget) -> ProcessorMixin:
        assert isinstance(budget, Tiles)
        return processing.build(tokenizer, budget, chat_template=self.chat_template)

    def write_for_everyone(self, processor: ProcessorMixin, folder: Path) -> None:
        processing.write_for_everyone(processor, folder)

    def blank(self, model: PreTrainedModel) -> dict[str, torch.Tensor]:
        """One tile."""
        vision = model.config.vision_config
        return {"pixel_values": torch.zeros(1, vision.num_channels, *vision.image_size)}

    def pieces(self, model: PreTrainedModel, ids: Sequence[int], pictures: int) -> int:
        """Tiles, each of which has the same number of tokens."""
        return ids.count(model.config.image_token_id) // int(model.config.image_seq_length)

    def build_tokenizer(self, texts: Iterable[str], *, vocabulary: int) -> PreTrainedTokenizerBase:
        return _byte_bpe.train(
            texts, vocabulary=vocabulary, special=SPECIAL, end="<|im_end|>", padding="<|endoftext|>"
        )

    def build_model(
        self, shape: Shape, tokenizer: PreTrainedTokenizerBase, *, initializer_range: float, seed: int
    ) -> PreTrainedModel:
        assert isinstance(shape, InternVLShape)
        return tiny.model(shape, tokenizer, initializer_range=initializer_range, seed=seed)
