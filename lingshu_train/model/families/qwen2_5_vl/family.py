"""Qwen2.5-VL as training, data and evaluation meet it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import ClassVar

import torch
from transformers import (
    PreTrainedModel,
    PreTrainedTokenizerBase,
    ProcessorMixin,
    Qwen2_5_VLForConditionalGeneration,
)
from transformers.modeling_outputs import BaseModelOutputWithPooling

from lingshu_train.model import family
from lingshu_train.model.families import _byte_bpe
from lingshu_train.model.families._smart_resize import SmartResize
from lingshu_train.model.families.qwen2_5_vl import positions, processing, tiny, windows
from lingshu_train.model.families.qwen2_5_vl.shape import SPECIAL
from lingshu_train.model.families.qwen2_5_vl.shape import Shape as QwenShape
from lingshu_train.model.shape import Part, PictureBudget, Shape


class Family(family.Family):
    """The 3B, 7B, 32B and 72B models, and tiny ones."""

    architecture: ClassVar[type[PreTrainedModel]] = Qwen2_5_VLForConditionalGeneration
    prefixes: ClassVar[tuple[tuple[str, Part], ...]] = (
        ("model.visual.merger.", "merger"),
        ("model.visual.", "vision_tower"),
        ("model.language_model.", "language_model"),
        ("lm_head.", "language_model"),
    )
    picture_inputs: ClassVar[tuple[str, ...]] = ("pixel_values", "image_grid_thw", "mm_token_type_ids")

    def build_processor(self, tokenizer: PreTrainedTokenizerBase, budget: PictureBudget) -> ProcessorMixin:
        assert isinstance(budget, SmartResize)
        return processing.build(tokenizer, budget, chat_template=self.chat_template)

    def write_for_everyone(self, processor: ProcessorMixin, folder: Path) -> None:
        processing.write_for_everyone(processor, folder)

    def positions(self, model: PreTrainedModel, batch: family.Batch) -> torch.Tensor:
        return positions.packed(model, batch)

    def quicken(self, model: PreTrainedModel) -> None:
        windows.together(model)

    def blank(self, model: PreTrainedModel) -> dict[str, torch.Tensor]:
        vision = model.config.vision_config
        side = vision.spatial_merge_size
        width = vision.in_channels * vision.temporal_patch_size * vision.patch_size**2
        return {
            "pixel_values": torch.zeros(side * side, width),
            "image_grid_thw": torch.tensor([[1, side, side]]),
        }

    def drop_tokens(self, features: BaseModelOutputWithPooling) -> None:
        features.pooler_output = tuple(tokens[:0] for tokens in features.pooler_output)

    def apart(self, pictures: family.Batch) -> list[dict[str, torch.Tensor]]:
        """A picture has as many rows of pixels as its grid has cells."""
        names = self.picture_inputs[:2]
        pixels, grids = (pictures[name] for name in names)
        rows = torch.split(pixels, grids.prod(dim=1).tolist())
        return [dict(zip(names, one, strict=True)) for one in zip(rows, torch.split(grids, 1), strict=True)]

    def patches(self, batch: family.Batch) -> list[int]:
        grids = batch.get(self.picture_inputs[1])
        return [] if grids is None else [int(each) for each in grids.prod(dim=1).tolist()]

    def repeat(self, features: BaseModelOutputWithPooling, copies: Sequence[int]) -> None:
        features.pooler_output = tuple(features.pooler_output[i] for i in copies)

    def build_tokenizer(self, texts: Iterable[str], *, vocabulary: int) -> PreTrainedTokenizerBase:
        return _byte_bpe.train(
            texts, vocabulary=vocabulary, special=SPECIAL, end="<|im_end|>", padding="<|endoftext|>"
        )

    def build_model(
        self, shape: Shape, tokenizer: PreTrainedTokenizerBase, *, initializer_range: float, seed: int
    ) -> PreTrainedModel:
        assert isinstance(shape, QwenShape)
        return tiny.model(shape, tokenizer, initializer_range=initializer_range, seed=seed)
