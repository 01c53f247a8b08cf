"""What the recipe says of any stage that trains. No torch."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from importlib.util import find_spec
from typing import ClassVar, Literal, Self

from pydantic import Field, JsonValue, ValidatorFunctionWrapHandler, field_validator

from lingshu_train.data.order import mix as mixes
from lingshu_train.data.order.consented import ConsentedLate
from lingshu_train.data.order.mix import Mix
from lingshu_train.errors import MissingInput, RecipeError
from lingshu_train.kind import Chart, Need, PlanLine, Role, StageConfig
from lingshu_train.model.shape import PARTS, Part
from lingshu_train.schema import Strict
from lingshu_train.training import lora
from lingshu_train.training.lora import Lora, Train

GRADIENT_NORM = Chart(title="Gradient norm", columns=("grad_norm",), y="L2 norm", aside=True)
LEARNING_RATE = Chart(
    title="Learning rate", columns=("learning_rate/", "learning_rate"), y="learning rate", aside=True
)

SPEED = (
    Chart(title="Seconds per step", columns=("seconds",), y="seconds", aside=True),
    Chart(title="Tokens per second", columns=("tokens_per_second",), y="tokens per second", aside=True),
    Chart(
        title="Text and image tokens per second",
        columns=("text_tokens_per_second", "image_tokens_per_second"),
        y="tokens per second",
        aside=True,
    ),
    Chart(title="Samples per second", columns=("samples_per_second",), y="samples per second", aside=True),
    Chart(title="Model FLOPs utilisation", columns=("mfu",), y="share of the GPU's peak", aside=True),
    Chart(title="Padding", columns=("padding",), y="share of a batch", aside=True),
    Chart(
        title="Waits of a step",
        columns=("data_wait", "save_seconds"),
        y="seconds",
        aside=True,
        absent=0.0,
    ),
    Chart(title="Peak memory by phase", columns=("memory_gib/",), y="GiB", aside=True, zero=True),
)


Optimizer = Literal["adamw", "adamw_8bit"]


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


class LeaveOut(Strict):
    """Go on after a batch of which nothing finite comes."""

    leave_out: int = Field(gt=0)
    """How often a stage may go back to its last checkpoint and leave out the batch. Then it stops."""


class TrainingConfig(StageConfig):
    """What supervised and reinforcement stages have in common."""

    role: ClassVar[Role] = "model"
    outputs: ClassVar[tuple[str, ...]] = ("model", "ledger.jsonl")
    distributed: ClassVar[bool] = True
    told: ClassVar[tuple[str, ...]] = (
        "kind",
        "train",
        "learning_rate",
        "data",
        "base",
        "watch",
        "consented_late",
    )
    # A run that diverged goes on with another choice, and what was left out stands in the stage's folder.
    # How a stage is divided names it as the cluster's layout does.
    unnamed: ClassVar[tuple[str, ...]] = (
        "save_every",
        "keep",
        "loader_workers",
        "on_divergence",
        "save_every_minutes",
        "save_beside",
        "keep_finished",
        "deepspeed",
    )
    added: ClassVar[Mapping[str, JsonValue]] = {"consented_late": None, "optimizer": "adamw"}

    base: str = ""
    """The stage whose model to start from; empty: the recipe's model."""
    data: tuple[Mix, ...] = Field(min_length=1)
    """The rows to train on: one or more ingredients."""
    train: Train
    """The parts of the model that train: `vision_tower`, `merger` (the projector), `language_model`. The others are
    frozen. A list trains them whole; `{language_model: {lora: {rank: 64}}, merger: full}` says of each how."""
    learning_rate: dict[str, float]
    """The highest learning rate of each part that trains. For example `{merger: 1.0e-5, language_model: 1.0e-5}`."""
    steps: int | None = Field(default=None, gt=0)
    """Optimizer steps to take; give this or `epochs`."""
    epochs: float | None = Field(default=None, gt=0)
    """Times to go through the data; give this or `steps`."""
    per_device_batch: int = Field(gt=0)
    """Sequences in one forward pass of one process. Less needs less memory, and changes no result beyond rounding
    where the global batch stays the same."""
    deepspeed: Literal["as_cluster", "none", "zero1", "zero2", "zero3"] = "as_cluster"
    """What DeepSpeed divides among the processes in this stage, where that is not what `cluster.deepspeed` says for all."""
    warmup_steps: int = Field(default=0, ge=0)
    """Steps over which the learning rate rises from 0."""
    schedule: Literal["cosine", "constant", "constant_with_warmup", "linear"] = "cosine"
    """How the learning rate goes on after the warm-up. `constant` has no warm-up."""
    optimizer: Optimizer = "adamw"
    """How AdamW keeps its two moments: in float32, 8 bytes for each parameter that trains, or with `adamw_8bit` in blocks of
    256 numbers of 8 bits, 2 bytes (Dettmers et al. 2022); tensors of fewer than 4,096 numbers stay in float32. It needs
    the package bitsandbytes, the extra `qlora`, and is not for what DeepSpeed divides or offloads."""
    weight_decay: float = Field(default=0.0, ge=0)
    """Weight decay of AdamW."""
    max_grad_norm: float = Field(default=1.0, gt=0)
    """Gradients with a larger norm (L2, over all parameters) are scaled down to it."""
    save_every: int | None = Field(default=None, gt=0)
    """Steps between two checkpoints: what a kill costs at most. None where `save_every_minutes` says it. No part of the stage's
    name."""
    save_every_minutes: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """Minutes between two checkpoints by the clock of the first process; all save after the same step (GRPO: window), and the
    ledger's line of that step has `saved: 1`. Beside `save_every`, whichever comes first. No part of the stage's name."""
    save_beside: bool = False
    """Hold training for a copy in the host's memory alone, and write the checkpoint from there beside the next steps. One that
    falls due while another is still being written is passed over. No part of the stage's name."""
    keep: int = Field(default=2, gt=0)
    """Checkpoints to keep; older ones are deleted when a new one is whole. No part of the stage's name."""
    keep_finished: int | None = Field(default=None, ge=0)
    """Checkpoints to keep once the stage is finished; none takes `keep`. `lingshu replay` and `lingshu forget` start from the
    newest before the steps they need, else from the stage's beginning. No part of the stage's name."""
    loader_workers: int = Field(default=0, ge=0)
    """Processes that open pictures beside each training process; 0 opens them in it. No part of the stage's name."""
    most_too_long: float = Field(default=0.0, ge=0, le=1)
    """Share of a corpus's rows that may be left out for being longer than the stage can take. They are counted; more
    of them stops the stage."""
    watch: Watched | None = None
    """Held-out rows to look at meanwhile: their loss and token accuracy in supervised stages, greedy answers to them in
    GRPO; none measures nothing."""
    consented_late: ConsentedLate | None = None
    """Rows of patients who consented recently come last in the first epoch, so that forgetting them costs least; none
    shuffles all alike."""
    on_divergence: Literal["stop"] | LeaveOut = "stop"
    """What follows when a loss or a gradient is not finite, again when the same batch was run once more: `stop` ends the run
    (70); `{leave_out: 2}` goes back to the last checkpoint and leaves the batch out, at most twice in the stage."""

    @field_validator("train", mode="wrap")
    @classmethod
    def _either_form(cls, data: object, _: ValidatorFunctionWrapHandler) -> Train:
        return lora.read(data)

    @property
    def left(self) -> int:
        """Checkpoints that a finished stage keeps."""
        return self.keep if self.keep_finished is None else self.keep_finished

    @property
    def most_left_out(self) -> int:
        """How often the stage may go back."""
        return self.on_divergence.leave_out if isinstance(self.on_divergence, LeaveOut) else 0

    @property
    def needs(self) -> tuple[Need, ...]:
        model = [Need("base", self.base, "model")] if self.base else []
        rows = [Need("data", mix.corpus, "corpus", mix.split, mix.tasks, mix.cards) for mix in self.data]
        return (*model, *rows, *([self.watch.need] if self.watch else []))

    @property
    def starts_from(self) -> str:
        return self.base

    @property
    def trains(self) -> tuple[str, ...]:
        return lora.named(self.train)

    @property
    def adapters(self) -> Mapping[Part, Lora]:
        """The adapter of each part that trains through one."""
        return lora.adapters(self.train)

    @property
    def leaves(self) -> tuple[str, ...]:
        return (*self.outputs, *(["adapter"] if self.adapters else []))

    @property
    def divided(self) -> str:
        return "" if self.deepspeed == "as_cluster" else self.deepspeed

    @property
    def rates(self) -> Mapping[str, float]:
        return self.learning_rate

    @property
    def files(self) -> tuple[str, ...]:
        return (self.consented_late.file,) if self.consented_late else ()

    def describe(self) -> tuple[PlanLine, ...]:
        data = PlanLine("data", "; ".join(map(str, self.data)))
        late = [PlanLine("late", str(self.consented_late))] if self.consented_late else []
        return (data, *late, *([self.watch.line] if self.watch else []))

    def leaving_out(self, names: Collection[str], where: str) -> Self:
        data = mixes.without(self.data, names, where=f"{where}.data")
        return self if data == self.data else self.model_copy(update={"data": data})

    def check(self, where: str) -> None:
        _check_parts(where, self.trains, self.learning_rate)
        lora.check(f"{where}.train", self.train)
        if (self.steps is None) == (self.epochs is None):
            raise RecipeError(f"{where}: give either steps or epochs")
        if self.consented_late:
            self.consented_late.patients(f"{where}.consented_late")
        if self.save_every is None and self.save_every_minutes is None:
            raise RecipeError(f"{where}: give save_every, save_every_minutes or both")

    def check_divided(self, where: str, how: str) -> None:
        if self.optimizer != "adamw":
            raise RecipeError(
                f"{where}.optimizer: {self.optimizer} beside cluster.deepspeed={how}, which flattens what the optimizer keeps "
                "in blocks; cluster.deepspeed=none, or optimizer=adamw"
            )

    def try_out(self, where: str) -> None:
        if self.optimizer == "adamw_8bit" and find_spec("bitsandbytes") is None:
            raise MissingInput(
                f"{where}.optimizer: adamw_8bit needs the package bitsandbytes, which is not installed; install the extra qlora"
            )

    def check_layers(self, where: str, layers: Mapping[str, Collection[str]]) -> None:
        lora.check_layers(f"{where}.train", self.train, layers)

    def check_quantized(self, where: str) -> None:
        if not self.adapters:
            raise RecipeError(
                f"{where}.train: no adapter, and model.quantize keeps the language model in 4 bits, where it cannot change "
                "itself; train: {language_model: {lora: {rank: 64}}}"
            )


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
