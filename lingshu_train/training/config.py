"""What the recipe says of any stage that trains. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field

from lingshu_train.data.order.mix import Mix
from lingshu_train.errors import RecipeError
from lingshu_train.kind import Chart, Need, PlanLine, Role, StageConfig
from lingshu_train.model.shape import PARTS

GRADIENT_NORM = Chart(title="Gradient norm", columns=("grad_norm",), y="L2 norm", aside=True)
LEARNING_RATE = Chart(
    title="Learning rate", columns=("learning_rate/", "learning_rate"), y="learning rate", aside=True
)


class TrainingConfig(StageConfig):
    """What supervised and reinforcement stages have in common. Give `steps` (optimizer steps) or `epochs`."""

    role: ClassVar[Role] = "model"
    outputs: ClassVar[tuple[str, ...]] = ("model", "ledger.jsonl")
    distributed: ClassVar[bool] = True
    told: ClassVar[tuple[str, ...]] = ("kind", "train", "learning_rate", "data", "base")

    base: str = ""
    """The stage whose model to start from; empty: the recipe's model."""
    data: tuple[Mix, ...] = Field(min_length=1)
    train: tuple[str, ...]
    learning_rate: dict[str, float]
    steps: int | None = Field(default=None, gt=0)
    epochs: float | None = Field(default=None, gt=0)
    per_device_batch: int = Field(gt=0)
    warmup_steps: int = Field(default=0, ge=0)
    schedule: Literal["cosine", "constant", "constant_with_warmup", "linear"] = "cosine"
    weight_decay: float = Field(default=0.0, ge=0)
    max_grad_norm: float = Field(default=1.0, gt=0)
    save_every: int = Field(gt=0)
    keep: int = Field(default=2, gt=0)
    loader_workers: int = Field(default=0, ge=0)
    most_too_long: float = Field(default=0.0, ge=0, le=1)
    """Share of a corpus's rows that may be left out for being longer than the stage can take; they are counted."""

    @property
    def needs(self) -> tuple[Need, ...]:
        model = [Need("base", self.base, "model")] if self.base else []
        return (*model, *(Need("data", mix.corpus, "corpus", mix.split, mix.tasks) for mix in self.data))

    @property
    def starts_from(self) -> str:
        return self.base

    @property
    def trains(self) -> tuple[str, ...]:
        return self.train

    @property
    def rates(self) -> Mapping[str, float]:
        return self.learning_rate

    def describe(self) -> tuple[PlanLine, ...]:
        return (PlanLine("data", "; ".join(map(str, self.data))),)

    def check(self, where: str) -> None:
        _check_parts(where, self.train, self.learning_rate)
        if (self.steps is None) == (self.epochs is None):
            raise RecipeError(f"{where}: give either steps or epochs")


def _check_parts(where: str, train: tuple[str, ...], learning_rate: Mapping[str, float]) -> None:
    """Trainable parts exist, and each has a learning rate."""
    for part in train:
        if part not in PARTS:
            raise RecipeError(f"{where}.train: unknown part {part!r}; a model has: {', '.join(PARTS)}")
        if part not in learning_rate:
            raise RecipeError(
                f"{where}.learning_rate: no learning rate for {part!r}, which this stage trains"
            )
    for part, rate in learning_rate.items():
        if rate <= 0:
            raise RecipeError(
                f"{where}.learning_rate.{part}: must be above 0, got {rate:g}; freeze a part by leaving it out"
            )
        if part not in train:
            raise RecipeError(
                f"{where}.learning_rate.{part}: this stage does not train {part!r}; train: {', '.join(train)}"
            )
    if not train:
        raise RecipeError(f"{where}.train: nothing to train; name at least one of: {', '.join(PARTS)}")
