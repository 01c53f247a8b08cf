"""Rows to a batch: every answer's tokens are labels, checked, and packed without padding where the stage asks for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict, cast

import torch
from PIL.Image import Image
from torch.nn.utils.rnn import pad_sequence
from transformers import PreTrainedModel, ProcessorMixin

from lingshu_train.data.lessons import Lesson, lessons
from lingshu_train.model.family import Batch, Family
from lingshu_train.record import Message
from lingshu_train.training import metering

IGNORED = -100
"""The label that the loss skips."""
PER_TOKEN = ("input_ids", "labels", "token_type_ids", "mm_token_type_ids")
"""What there is for each token, (B, L), beside the attention mask."""

Item = Mapping[str, object]
"""The columns of a row (training/feed.py: `Rows.columns`); or of a pack, where each is a list over its rows."""


@dataclass
class Collator:
    """Batch of `B` rows: input_ids, attention_mask, labels (B, L), and what the family's pictures come with.

    An item is a row or a pack of rows. With `packing` all rows of the batch make one, end to end (see `pack`). `stored`
    tells how many tokens data set rows have, by which long ones were left out, and how many of these are taught: what comes
    out has to agree with it.
    """

    processor: ProcessorMixin
    packing: bool
    stored: Callable[[list[int]], tuple[list[int], list[int]]]
    family: Family
    model: PreTrainedModel
    counts: bool = False
    """Whether to put what was counted beside the tensors (metering.py), for a trainer that takes it out."""

    def __call__(self, items: Sequence[Item]) -> dict[str, Any]:
        # A withdrawn row has no messages.
        rows = [row for item in items for row in _rows(item) if row["messages"]]
        if not rows:
            empty = blank(self.processor)
            return pack(empty, self.family.positions(self.model, empty)) if self.packing else empty
        numbers = [row["row"] for row in rows]
        read = lessons(self.processor, [row["messages"] for row in rows])
        batch = taught(self.processor, read, [row["images"] for row in rows])
        counts = (batch["attention_mask"], batch["labels"] != IGNORED)
        lengths, stored = tuple(one.sum(dim=1).tolist() for one in counts), self.stored(numbers)
        assert lengths == stored, f"rows {numbers} have {lengths} tokens, whole and taught, not {stored}"
        check(batch, image_tokens=self.processor.image_token_ids, together=self.family.picture_inputs)
        whole = pack(batch, self.family.positions(self.model, batch)) if self.packing else batch
        if not self.counts:
            return whole
        pictures = torch.isin(batch["input_ids"], torch.tensor(self.processor.image_token_ids))
        return whole | {
            metering.COUNTS: metering.of_batch(
                *lengths,
                image_tokens=int(pictures.sum()),
                places=whole["input_ids"].numel(),
                patches=self.family.patches(batch),
            )
        }


def blank(processor: ProcessorMixin) -> dict[str, torch.Tensor]:
    """A batch in which no row is left: one token of which nothing is asked, so that every rank goes through its passes. Its
    loss and its gradients are zero."""
    found = processor(text=["-"], return_tensors="pt", add_special_tokens=False)
    token = {name: values[:, :1] for name, values in found.items()}
    return {**token, "labels": torch.full_like(token["input_ids"], IGNORED)}


def taught(
    processor: ProcessorMixin, read: Sequence[Lesson], pictures: Sequence[Sequence[object]]
) -> dict[str, torch.Tensor]:
    """Lessons with the pictures of each as a batch, padded on the right. What is given has no labels."""
    pieces = [piece for lesson in read for turn in lesson.turns for piece in (turn.given, turn.taught)]
    shown = [one for row in pictures for one in row]
    marks, rest = [piece.count(processor.image_token) for piece in pieces], iter(shown)
    assert sum(marks) == len(shown), f"{sum(marks)} marks for {len(shown)} pictures"
    found = dict(
        processor(
            text=pieces,
            images=[[next(rest) for _ in range(count)] for count in marks] if shown else None,
            padding=True,
            padding_side="right",
            return_tensors="pt",
            add_special_tokens=False,
        )
    )
    real = found.pop("attention_mask").bool()
    found["labels"] = torch.full_like(found["input_ids"], IGNORED)
    found["labels"][1::2] = found["input_ids"][1::2]
    padding = {"input_ids": processor.tokenizer.pad_token_id, "labels": IGNORED}
    ends = torch.tensor([2 * len(lesson.turns) for lesson in read]).cumsum(dim=0).tolist()
    spans = [slice(start, end) for start, end in zip([0, *ends], ends, strict=False)]
    for name in PER_TOKEN:
        if name in found:
            whole = [found[name][span][real[span]] for span in spans]
            found[name] = pad_sequence(whole, batch_first=True, padding_value=padding.get(name, 0))
    lengths = [int(real[span].sum()) for span in spans]
    mask = pad_sequence([torch.ones(length, dtype=torch.long) for length in lengths], batch_first=True)
    return {**found, "attention_mask": mask}


class Row(TypedDict):
    """What training/feed.py gives of a row."""

    row: int
    messages: list[Message]
    images: list[Image]


def _rows(item: Item) -> Iterator[Row]:
    """A row, or the rows of a pack, whose columns are lists."""
    if not isinstance(item["row"], list):
        yield cast(Row, item)
        return
    columns = [column for column in item.values() if isinstance(column, list)]
    for values in zip(*columns, strict=True):
        yield cast(Row, dict(zip(item, values, strict=True)))


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
    return packed | {"position_ids": positions} | borders(mask.sum(dim=1)) | pictures


def borders(lengths: torch.Tensor) -> dict[str, Any]:
    """Where samples of `lengths` (B,) begin and end in their row, as flash attention takes it; it would ask the device for
    them in every layer and pass."""
    ends = torch.cat([lengths.new_zeros(1), lengths.cumsum(dim=0)]).int()
    longest = int(lengths.max())
    return {"cu_seq_lens_q": ends, "cu_seq_lens_k": ends, "max_length_q": longest, "max_length_k": longest}
