"""Supervised fine-tuning: alignment and instruction tuning through TRL's SFTTrainer."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from lingshu_train.errors import RecipeError
from lingshu_train.runs.stage import Stage
from lingshu_train.schema import parse
from lingshu_train.stages._config import Mix, Provided, StageConfig, check_parts, trained_from

OUTPUTS = ("model", "ledger.jsonl")


class Config(StageConfig):
    """One supervised stage. The global batch is `per_device_batch * accumulation * processes` samples."""

    distributed: ClassVar[bool] = True
    provides: ClassVar[Provided | None] = "model"

    kind: Literal["sft"]
    base: str = ""
    """The stage whose model to start from; empty: the recipe's model."""
    data: tuple[Mix, ...] = Field(min_length=1)
    train: tuple[str, ...]
    learning_rate: dict[str, float]
    steps: int | None = Field(default=None, gt=0)
    epochs: float | None = Field(default=None, gt=0)
    per_device_batch: int = Field(gt=0)
    accumulation: int = Field(default=1, gt=0)
    warmup_steps: int = Field(default=0, ge=0)
    schedule: Literal["cosine", "constant", "constant_with_warmup", "linear"] = "cosine"
    weight_decay: float = Field(default=0.0, ge=0)
    max_grad_norm: float = Field(default=1.0, gt=0)
    max_length: int = Field(gt=0)
    packing: bool = False
    save_every: int = Field(gt=0)
    keep: int = Field(default=2, gt=0)
    loader_workers: int = Field(default=0, ge=0)

    @property
    def needs(self) -> tuple[tuple[str, str, Provided], ...]:
        return trained_from(self.base, self.data)

    @property
    def trains(self) -> tuple[str, ...]:
        return self.train

    @property
    def num_steps(self) -> int | None:
        return self.steps

    def check(self, where: str) -> None:
        check_parts(where, self.train, self.learning_rate)
        if (self.steps is None) == (self.epochs is None):
            raise RecipeError(f"{where}: give either steps or epochs")


def run(stage: Stage) -> dict[str, Any]:
    """Train, resuming from the newest whole checkpoint, and write `model/` and `ledger.jsonl`."""
    from lingshu_train.trainers import sft

    return sft.train(stage, parse(Config, stage.config, where=f"stages.{stage.name}", error=RecipeError))
