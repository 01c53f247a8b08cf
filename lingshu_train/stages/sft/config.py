"""Supervised fine-tuning: alignment and instruction tuning through TRL's SFTTrainer."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from lingshu_train.kind import Chart
from lingshu_train.training.config import GRADIENT_NORM, LEARNING_RATE, SPEED, TrainingConfig


class Config(TrainingConfig):
    """One supervised stage: alignment or instruction tuning. Prompts are given, answers are learned."""

    method: ClassVar[str] = "supervised fine-tuning"
    charts: ClassVar[tuple[Chart, ...]] = (
        Chart(
            title="Loss", columns=("loss", "held_out/loss"), y="cross-entropy (nats per token)", zero=False
        ),
        Chart(
            title="Token accuracy",
            columns=("token_accuracy", "held_out/token_accuracy"),
            y="share of tokens",
            aside=True,
        ),
        GRADIENT_NORM,
        LEARNING_RATE,
        *SPEED,
    )

    kind: Literal["sft"]
    accumulation: int = Field(default=1, gt=0)
    """Forward passes whose gradients are added up before a step. The global batch is `per_device_batch` *
    `accumulation` * processes samples, or packs."""
    max_length: int = Field(gt=0)
    """Most tokens of a sample, pictures and answer included, or of a pack. Longer samples are left out: see
    `most_too_long`."""
    packing: bool = False
    """Put several samples into one sequence (a pack), which never see each other."""
    max_patches: int | None = Field(default=None, gt=0)
    """Most patches of the vision tower in a pack, which evens out the work of ranks; none sets no bound."""
