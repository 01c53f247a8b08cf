"""What the recipe says of any stage that trains. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field

from lingshu_train.data.order.mix import Mix
from lingshu_train.errors import RecipeError
from lingshu_train.kind import Chart, Need, PlanLine, Role, StageConfig
from lingshu_train.model.shape import PARTS
from lingshu_train.schema import Strict

GRADIENT_NORM = Chart(title="Gradient norm", columns=("grad_norm",), y="L2 norm", aside=True)
LEARNING_RATE = Chart(
    title="Learning rate", columns=("learning_rate/", "learning_rate"), y="learning rate", aside=True
)

SPEED = (
    Chart(title="Seconds per step", columns=("seconds",), y="seconds", aside=True),
    Chart(title="Tokens per second", columns=("tokens_per_second",), y="tokens per second", aside=True),
)


class Watched(Strict):
    """Held-out rows that a stage looks at while it trains, without changing a bit of the run. They show whether what is
    learned carries over."""

    corpus: str
    """The prepare or curate stage that the rows come from."""
    split: str = "held_out"
    """The split they come from."""
    tasks: tuple[str, ...] = ()
    """Only rows of these tasks; empty takes all."""
    samples: int = Field(default=64, gt=0)
    """How many rows, always the same ones, drawn by the recipe's seed."""
    every: int = Field(gt=0)
    """Steps between two measurements; with GRPO a multiple of the generation window. The last step is always measured."""
    per_device_batch: int = Field(default=16, gt=0)
    """Rows in one forward pass of one process."""

    @property
    def need(self) -> Need:
        return Need("watch.corpus", self.corpus, "corpus", self.split, self.tasks)

    @property
    def line(self) -> PlanLine:
        tasks = f" ({', '.join(self.tasks)})" if self.tasks else ""
        return PlanLine(
            "watch",
            f"at most {self.samples} rows of {self.corpus}, {self.split}{tasks}, every {self.every} steps",
        )

    def due(self, step: int, *, last: int) -> bool:
        """Whether it is measured after this step; after the stage's last it always is."""
        return step % self.every == 0 or step == last


class TrainingConfig(StageConfig):
    """What supervised and reinforcement stages have in common."""

    role: ClassVar[Role] = "model"
    outputs: ClassVar[tuple[str, ...]] = ("model", "ledger.jsonl")
    distributed: ClassVar[bool] = True
    told: ClassVar[tuple[str, ...]] = ("kind", "train", "learning_rate", "data", "base", "watch")

    base: str = ""
    """The stage whose model to start from; empty: the recipe's model."""
    data: tuple[Mix, ...] = Field(min_length=1)
    """The rows to train on: one or more ingredients."""
    train: tuple[str, ...]
    """The parts of the model that train: `vision_tower`, `merger` (the projector), `language_model`. The others are
    frozen."""
    learning_rate: dict[str, float]
    """The highest learning rate of each part that trains. For example `{merger: 1.0e-5, language_model: 1.0e-5}`."""
    steps: int | None = Field(default=None, gt=0)
    """Optimizer steps to take; give this or `epochs`."""
    epochs: float | None = Field(default=None, gt=0)
    """Times to go through the data; give this or `steps`."""
    per_device_batch: int = Field(gt=0)
    """Sequences in one forward pass of one process. Less needs less memory, and changes no result beyond rounding
    where the global batch stays the same."""
    warmup_steps: int = Field(default=0, ge=0)
    """Steps over which the learning rate rises from 0."""
    schedule: Literal["cosine", "constant", "constant_with_warmup", "linear"] = "cosine"
    """How the learning rate goes on after the warm-up. `constant` has no warm-up."""
    weight_decay: float = Field(default=0.0, ge=0)
    """Weight decay of AdamW."""
    max_grad_norm: float = Field(default=1.0, gt=0)
    """Gradients with a larger norm (L2, over all parameters) are scaled down to it."""
    save_every: int = Field(gt=0)
    """Steps between two checkpoints: what a kill costs at most."""
    keep: int = Field(default=2, gt=0)
    """Checkpoints to keep; older ones are deleted when a new one is whole."""
    loader_workers: int = Field(default=0, ge=0)
    """Processes that open pictures beside each training process; 0 opens them in it."""
    most_too_long: float = Field(default=0.0, ge=0, le=1)
    """Share of a corpus's rows that may be left out for being longer than the stage can take. They are counted; more
    of them stops the stage."""
    watch: Watched | None = None
    """Held-out rows to look at meanwhile: their loss and token accuracy in supervised stages, greedy answers to them in
    GRPO; none measures nothing."""

    @property
    def needs(self) -> tuple[Need, ...]:
        model = [Need("base", self.base, "model")] if self.base else []
        rows = [Need("data", mix.corpus, "corpus", mix.split, mix.tasks) for mix in self.data]
        return (*model, *rows, *([self.watch.need] if self.watch else []))

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
        data = PlanLine("data", "; ".join(map(str, self.data)))
        return (data, *([self.watch.line] if self.watch else []))

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
