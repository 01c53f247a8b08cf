"""What is alike in Qwen's vision-language models: inputs of pictures, their parts, positions, the tokenizer's layout."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from lingshu_train.model import family
from lingshu_train.model.families import _byte_bpe, _mrope, _sdpa_windows
from lingshu_train.model.families._qwen_tokens import SPECIAL


class QwenVL(family.Family):
    """A picture is rows of patches and a grid that says how they lie."""

    picture_inputs: ClassVar[tuple[str, ...]] = ("pixel_values", "image_grid_thw", "mm_token_type_ids")

    def positions(self, model: PreTrainedModel, batch: family.Batch) -> torch.Tensor:
        return _mrope.packed(model, batch)

    def quicken(self, model: PreTrainedModel) -> None:
        _sdpa_windows.together(model)

    def blank(self, model: PreTrainedModel) -> dict[str, torch.Tensor]:
        vision = model.config.vision_config
        side = vision.spatial_merge_size
        width = vision.in_channels * vision.temporal_patch_size * vision.patch_size**2
        return {
            "pixel_values": torch.zeros(side * side, width),
            "image_grid_thw": torch.tensor([[1, side, side]]),
        }

    def apart(self, pictures: family.Batch) -> list[dict[str, torch.Tensor]]:
        """A picture has as many rows of pixels as its grid has cells."""
        names = self.picture_inputs[:2]
        pixels, grids = (pictures[name] for name in names)
        rows = torch.split(pixels, grids.prod(dim=1).tolist())
        return [dict(zip(names, one, strict=True)) for one in zip(rows, torch.split(grids, 1), strict=True)]

    def patches(self, batch: family.Batch) -> list[int]:
        grids = batch.get(self.picture_inputs[1])
        return [] if grids is None else [int(each) for each in grids.prod(dim=1).tolist()]

    def build_tokenizer(self, texts: Iterable[str], *, vocabulary: int) -> PreTrainedTokenizerBase:
        return _byte_bpe.train(
            texts, vocabulary=vocabulary, special=SPECIAL, end="<|im_end|>", padding="<|endoftext|>"
        )
