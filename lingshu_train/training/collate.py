"""Rows to a batch: TRL's vision collator, checked, and packed without padding where the stage asks for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from transformers import PreTrainedModel, ProcessorMixin
from trl.trainer.sft_trainer import DataCollatorForVisionLanguageModeling

from lingshu_train.model.family import Batch, Family

IGNORED = -100
"""The label that the loss skips."""
PER_TOKEN = ("input_ids", "labels", "token_type_ids", "mm_token_type_ids")
"""What transformers and TRL give for each token, (B, L), beside the attention mask."""

Item = Mapping[str, object]
"""The columns of a row (training/feed.py: `Rows.columns`); or of a pack, where each is a list over its rows."""


@dataclass
class Collator:
    """Batch of `B` rows: input_ids, attention_mask, labels (B, L), and what the family's pictures come with.

    An item is a row or a pack of rows. With `packing` all rows of the batch make one, end to end (see `pack`). `tokens`
    tells the stored length of data set rows, by which long ones were left out: what comes out has to agree with it.
    """

    processor: ProcessorMixin
    packing: bool
    tokens: Callable[[list[int]], Sequence[int]]
    family: Family
    model: PreTrainedModel

    def __post_init__(self) -> None:
        self._collate = DataCollatorForVisionLanguageModeling(self.processor, completion_only_loss=True)

    def __call__(self, items: Sequence[Item]) -> dict[str, torch.Tensor]:
        rows = [row for item in items for row in _rows(item)]
        numbers = [_number(row) for row in rows]
        batch = dict(self._collate(rows))
        lengths, stored = batch["attention_mask"].sum(dim=1).tolist(), list(self.tokens(numbers))
        assert lengths == stored, f"rows {numbers} have {lengths} tokens, not {stored} as stored"
        check(batch, image_tokens=self.processor.image_token_ids, together=self.family.picture_inputs)
        return pack(batch, self.family.positions(self.model, batch)) if self.packing else batch


def _rows(item: Item) -> Iterator[dict[str, object]]:
    """A row, or the rows of a pack, whose columns are lists."""
    if not isinstance(item["row"], list):
        yield dict(item)
        return
    columns = [column for column in item.values() if isinstance(column, list)]
    for values in zip(*columns, strict=True):
        yield dict(zip(item, values, strict=True))


def _number(row: Item) -> int:
    number = row["row"]
    assert isinstance(number, int)
    return number


def check(batch: Batch, *, image_tokens: Sequence[int], together: Sequence[str]) -> None:
    """Image tokens are never labels (R4), and pixels never come without what positions are made of (R5): `together`, the
    pixels first."""
    assert not torch.isin(batch["labels"], torch.tensor(image_tokens)).any(), "image tokens among the labels"
    pixels, *beside = together
    if pixels in batch:
        lacking = [name for name in beside if name not in batch]
        assert not lacking, f"{pixels} without {', '.join(lacking)}: positions would be wrong"


def pack(batch: Batch, positions: torch.Tensor) -> dict[str, torch.Tensor]:
    """A padded batch (B, L) as one row (1, N) of its N real tokens, exactly equal to separate runs.

    `positions` begin anew with every sample; with no attention mask and no cache transformers masks sample from sample by
    them (R6). The first label of each sample is ignored, or the sample before would be asked to predict it.
    """
    mask = batch["attention_mask"].bool()
    packed = {key: batch[key][mask][None] for key in PER_TOKEN if key in batch}
    starts = mask.sum(dim=1).cumsum(dim=0)[:-1]
    packed["labels"][0, 0] = IGNORED
    packed["labels"][0, starts] = IGNORED
    pictures = {key: batch[key] for key in batch if key not in (*PER_TOKEN, "attention_mask")}
    return packed | {"position_ids": positions} | pictures
