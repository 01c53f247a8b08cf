"""Qwen2.5-VL as training, data and evaluation meet it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from transformers import (
    PreTrainedModel,
    PreTrainedTokenizerBase,
    ProcessorMixin,
    Qwen2_5_VLForConditionalGeneration,
)
from transformers.modeling_outputs import BaseModelOutputWithPooling

from lingshu_train.model.families._qwen import QwenVL
from lingshu_train.model.families._smart_resize import SmartResize
from lingshu_train.model.families.qwen2_5_vl import processing, tiny
from lingshu_train.model.families.qwen2_5_vl.shape import Shape as QwenShape
from lingshu_train.model.family import Became
from lingshu_train.model.shape import Part, PictureBudget, Shape


class Family(QwenVL):
    """The 3B, 7B, 32B and 72B models, and tiny ones."""

    architecture: ClassVar[type[PreTrainedModel]] = Qwen2_5_VLForConditionalGeneration
    prefixes: ClassVar[tuple[tuple[str, Part], ...]] = (
        ("model.visual.merger.", "merger"),
        ("model.visual.", "vision_tower"),
        ("model.language_model.", "language_model"),
        ("lm_head.", "language_model"),
    )

    def build_processor(self, tokenizer: PreTrainedTokenizerBase, budget: PictureBudget) -> ProcessorMixin:
        assert isinstance(budget, SmartResize)
        return processing.build(tokenizer, budget, chat_template=self.chat_template)

    def write_for_everyone(self, processor: ProcessorMixin, folder: Path) -> None:
        processing.write_for_everyone(processor, folder)

    def drop_tokens(self, features: BaseModelOutputWithPooling) -> None:
        features.pooler_output = tuple(tokens[:0] for tokens in features.pooler_output)

    def together(self, each: Sequence[Became]) -> BaseModelOutputWithPooling:
        return BaseModelOutputWithPooling(pooler_output=tuple(tokens for (tokens,) in each))

    def build_model(
        self, shape: Shape, tokenizer: PreTrainedTokenizerBase, *, initializer_range: float, seed: int
    ) -> PreTrainedModel:
        assert isinstance(shape, QwenShape)
        return tiny.model(shape, tokenizer, initializer_range=initializer_range, seed=seed)
