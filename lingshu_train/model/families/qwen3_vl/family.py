"""Qwen3-VL as training, data and evaluation meet it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from transformers import (
    PreTrainedModel,
    PreTrainedTokenizerBase,
    ProcessorMixin,
    Qwen3VLForConditionalGeneration,
)
from transformers.modeling_outputs import BaseModelOutputWithPooling
from transformers.models.qwen3_vl.modeling_qwen3_vl import BaseModelOutputWithDeepstackFeatures

from lingshu_train.model.families._qwen import QwenVL
from lingshu_train.model.families._smart_resize import SmartResize
from lingshu_train.model.families.qwen3_vl import processing, tiny
from lingshu_train.model.families.qwen3_vl.shape import Shape as QwenShape
from lingshu_train.model.family import Became
from lingshu_train.model.shape import Part, PictureBudget, Shape


class Family(QwenVL):
    """The dense models of 2B to 32B, and tiny ones.

    A picture becomes tokens, and beside them as many features again for each layer of the tower that is named in
    `deepstack`; these are added to the tokens in the first layers of the language model.
    """

    architecture: ClassVar[type[PreTrainedModel]] = Qwen3VLForConditionalGeneration
    prefixes: ClassVar[tuple[tuple[str, Part], ...]] = (
        ("model.visual.merger.", "merger"),
        ("model.visual.deepstack_merger_list.", "merger"),
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
        assert isinstance(features, BaseModelOutputWithDeepstackFeatures)
        features.pooler_output = tuple(tokens[:0] for tokens in features.pooler_output)
        features.deepstack_features = [
            tuple(tokens[:0] for tokens in depth) for depth in features.deepstack_features
        ]

    def each(self, features: BaseModelOutputWithPooling) -> list[Became]:
        """Of a picture its tokens, then those of each depth."""
        assert isinstance(features, BaseModelOutputWithDeepstackFeatures)
        return list(zip(features.pooler_output, *features.deepstack_features, strict=True))

    def together(self, each: Sequence[Became]) -> BaseModelOutputWithPooling:
        tokens, *depths = zip(*each, strict=True)
        return BaseModelOutputWithDeepstackFeatures(pooler_output=tokens, deepstack_features=depths)

    def build_model(
        self, shape: Shape, tokenizer: PreTrainedTokenizerBase, *, initializer_range: float, seed: int
    ) -> PreTrainedModel:
        assert isinstance(shape, QwenShape)
        return tiny.model(shape, tokenizer, initializer_range=initializer_range, seed=seed)
