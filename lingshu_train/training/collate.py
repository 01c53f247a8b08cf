"""Rows to a batch: TRL's vision collator, checked, and packed without padding where the stage asks for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from trl.trainer.sft_trainer import DataCollatorForVisionLanguageModeling

IGNORED = -100
"""The label that the loss skips."""


@dataclass
class Collator:
    """Batch of `B` rows: input_ids, attention_mask, labels, mm_token_type_ids (B, L), pixel_values (P, 1176), image_grid_thw.

    An item is a row or a pack of rows. With `packing` all rows of the batch make one, end to end (see `pack`). `tokens`
    tells the stored length of data set rows, by which long ones were left out: what comes out has to agree with it.
    """

    processor: Any
    packing: bool
    tokens: Callable[[list[int]], Sequence[int]]
    rope_index: Callable[..., tuple[torch.Tensor, torch.Tensor]]

    def __post_init__(self) -> None:
        self._collate = DataCollatorForVisionLanguageModeling(self.processor, completion_only_loss=True)

    def __call__(self, items: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        rows = [row for item in items for row in _rows(item)]
        numbers = [row["row"] for row in rows]
        batch = dict(self._collate(rows))
        lengths, stored = batch["attention_mask"].sum(dim=1).tolist(), list(self.tokens(numbers))
        assert lengths == stored, f"rows {numbers} have {lengths} tokens, not {stored} as stored"
        check(batch, image_token=self.processor.image_token_id)
        return pack(batch, self.rope_index) if self.packing else batch


def _rows(item: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A row, or the rows of a pack, whose columns are lists."""
    if not isinstance(item["row"], list):
        yield item
        return
    for values in zip(*item.values(), strict=True):
        yield dict(zip(item, values, strict=True))


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
