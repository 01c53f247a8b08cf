"""Gemma 3 as training, data and evaluation meet it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

import torch
from transformers import (
    Gemma3ForConditionalGeneration,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    ProcessorMixin,
)

from lingshu_train.model import family
from lingshu_train.model.families import _byte_bpe
from lingshu_train.model.families.gemma3 import masks, processing, tiny
from lingshu_train.model.families.gemma3.shape import PATCH, SPECIAL, TURN_ENDS
from lingshu_train.model.families.gemma3.shape import Shape as GemmaShape
from lingshu_train.model.families.gemma3.square import Square
from lingshu_train.model.shape import Part, PictureBudget, Shape


class Family(family.Family):
    """The models with pictures (4B, 12B, 27B, and MedGemma, which are of the same sizes), and tiny ones."""

    architecture: ClassVar[type[PreTrainedModel]] = Gemma3ForConditionalGeneration
    prefixes: ClassVar[tuple[tuple[str, Part], ...]] = (
        ("model.vision_tower.", "vision_tower"),
        ("model.multi_modal_projector.", "merger"),
        ("model.language_model.", "language_model"),
        ("lm_head.", "language_model"),
    )
    patch: ClassVar[int] = PATCH
    picture_inputs: ClassVar[tuple[str, ...]] = ("pixel_values", "token_type_ids")

    def build_processor(self, tokenizer: PreTrainedTokenizerBase, budget: PictureBudget) -> ProcessorMixin:
        assert isinstance(budget, Square)
        return processing.build(tokenizer, budget, chat_template=self.chat_template)

    def write_for_everyone(self, processor: ProcessorMixin, folder: Path) -> None:
        processing.write_for_everyone(processor, folder)

    def end_tokens(self, tokenizer: PreTrainedTokenizerBase) -> list[int]:
        return [tokenizer.eos_token_id, tokenizer.convert_tokens_to_ids(TURN_ENDS)]

    def control(self, tokenizer: PreTrainedTokenizerBase) -> set[str]:
        """The published tokenizers add line ends, runs of spaces and tags of HTML as well, which are text."""
        return super().control(tokenizer) & set(SPECIAL)

    def mend(self, model: PreTrainedModel) -> None:
        masks.mend(model)

    def blank(self, model: PreTrainedModel) -> dict[str, torch.Tensor]:
        vision = model.config.vision_config
        return {"pixel_values": torch.zeros(1, vision.num_channels, vision.image_size, vision.image_size)}

    def build_tokenizer(self, texts: Iterable[str], *, vocabulary: int) -> PreTrainedTokenizerBase:
        words = _byte_bpe.train(texts, vocabulary=vocabulary, special=SPECIAL, end="<eos>", padding="<pad>")
        words.bos_token = "<bos>"
        return words

    def build_model(
        self, shape: Shape, tokenizer: PreTrainedTokenizerBase, *, initializer_range: float, seed: int
    ) -> PreTrainedModel:
        assert isinstance(shape, GemmaShape)
        return tiny.model(shape, tokenizer, initializer_range=initializer_range, seed=seed)
