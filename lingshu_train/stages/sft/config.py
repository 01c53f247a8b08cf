"""Supervised fine-tuning: alignment and instruction tuning through TRL's SFTTrainer."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from lingshu_train.kind import Chart, Need, PlanLine
from lingshu_train.training.config import GRADIENT_NORM, LEARNING_RATE, SPEED, TrainingConfig, Watched


class Config(TrainingConfig):
    """One supervised stage. The global batch is `per_device_batch * accumulation * processes` samples.

    With `packing` that many packs instead: sequences of up to `max_length` tokens, and of `max_patches` patches of the
    vision tower where that is given, which evens out the work of ranks. Of the rows of `watch` the loss and the token
    accuracy are measured.
    """

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
    max_length: int = Field(gt=0)
    packing: bool = False
    max_patches: int | None = Field(default=None, gt=0)
    watch: Watched | None = None

    @property
    def needs(self) -> tuple[Need, ...]:
        return (*super().needs, *([self.watch.need] if self.watch else []))

    def describe(self) -> tuple[PlanLine, ...]:
        return (*super().describe(), *([self.watch.line] if self.watch else []))

    def check(self, where: str) -> None:
        super().check(where)
        if self.watch:
            self.watch.check(where, steps=self.steps)
