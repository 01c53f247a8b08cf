"""Rows to a batch: TRL's vision collator, checked, and packed without padding where the stage asks for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from trl.trainer.sft_trainer import DataCollatorForVisionLanguageModeling

from lingshu_train.errors import DataError
from lingshu_train.record import Sample

IGNORED = -100
"""The label that the loss skips."""


@dataclass
class Collator:
    """Batch of `B` rows: input_ids, attention_mask, labels, mm_token_type_ids (B, L), pixel_values (P, 1176), image_grid_thw.

    With `packing`, one row of all samples end to end instead (see `pack`). Raises DataError for a row of more than
    `max_length` tokens: cutting one would leave image features without their tokens.
    """

    processor: Any
    max_length: int
    packing: bool
    samples: Sequence[Sample]
    rope_index: Callable[..., tuple[torch.Tensor, torch.Tensor]]

    def __post_init__(self) -> None:
        self._collate = DataCollatorForVisionLanguageModeling(self.processor, completion_only_loss=True)

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        numbers = [row["row"] for row in rows]
        batch = dict(self._collate(rows))
        lengths = batch["attention_mask"].sum(dim=1).tolist()
        for number, length in zip(numbers, lengths, strict=True):
            if length > self.max_length:
                raise DataError(
                    f"sample {self.samples[number].id}: {length} tokens, more than max_length {self.max_length}; "
                    "raise max_length, lower model.max_pixels, or drop the sample"
                )
        check(batch, image_token=self.processor.image_token_id)
        return pack(batch, self.rope_index) if self.packing else batch


def check(batch: dict[str, torch.Tensor], *, image_token: int) -> None:
    """Image tokens are never labels (R4), and pixels never come without their token types (R5)."""
    assert not (batch["labels"] == image_token).any(), "image tokens among the labels"
    if "pixel_values" in batch:
        assert "mm_token_type_ids" in batch, (
            "pixel_values without mm_token_type_ids: positions would be wrong"
        )


def pack(batch: dict[str, torch.Tensor], rope_index: Callable[..., Any]) -> dict[str, torch.Tensor]:
    """A padded batch (B, L) as one row (1, N) of its N real tokens, exactly equal to separate runs.

    transformers builds the block-diagonal mask only from position ids of four rows, (4, 1, N): text positions that
    start again at 0 for every sample, then the three M-RoPE rows; with no attention mask and no cache (R6). The first
    label of each sample is ignored, or the sample before would be asked to predict it.
    """
    rows: dict[str, list[torch.Tensor]] = {"input_ids": [], "labels": [], "mm_token_type_ids": []}
    positions = []
    grids = batch.get("image_grid_thw")
    used = 0
    for i, mask in enumerate(batch["attention_mask"].bool()):
        one = {key: batch[key][i][mask] for key in rows if key in batch}
        one["labels"] = one["labels"].clone()
        one["labels"][0] = IGNORED
        for key, value in one.items():
            rows[key].append(value)
        text = torch.arange(int(mask.sum()))
        images = _num_images(one.get("mm_token_type_ids"))
        if grids is None or images == 0:
            positions.append(text.expand(4, -1))
            continue
        index, _ = rope_index(
            one["input_ids"][None], one["mm_token_type_ids"][None], image_grid_thw=grids[used : used + images]
        )
        used += images
        positions.append(torch.cat([text[None], index[:, 0]]))
    packed = {key: torch.cat(value)[None] for key, value in rows.items() if value}
    packed["position_ids"] = torch.cat(positions, dim=1)[:, None]
    return packed | {key: batch[key] for key in ("pixel_values", "image_grid_thw") if key in batch}


def _num_images(types: torch.Tensor | None) -> int:
    """Runs of image tokens. Images are parted by their end and start tokens, which are text."""
    if types is None:
        return 0
    image = (types == 1).int()
    return int((torch.diff(image, prepend=image.new_zeros(1)) == 1).sum())
