"""Supervised fine-tuning: alignment and instruction tuning through TRL's SFTTrainer."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from lingshu_train.kind import Chart
from lingshu_train.training.config import GRADIENT_NORM, LEARNING_RATE, TrainingConfig


class Config(TrainingConfig):
    """One supervised stage. The global batch is `per_device_batch * accumulation * processes` samples.

    With `packing` that many packs instead: sequences of up to `max_length` tokens, and of `max_patches` patches of the
    vision tower where that is given, which evens out the work of ranks.
    """

    method: ClassVar[str] = "supervised fine-tuning"
    charts: ClassVar[tuple[Chart, ...]] = (
        Chart(title="Loss", columns=("loss",), y="cross-entropy (nats per token)"),
        GRADIENT_NORM,
        LEARNING_RATE,
    )

    kind: Literal["sft"]
    accumulation: int = Field(default=1, gt=0)
    max_length: int = Field(gt=0)
    packing: bool = False
    max_patches: int | None = Field(default=None, gt=0)
