"""What every kind of stage tells the planner about itself, without importing torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field

from lingshu_train.errors import RecipeError
from lingshu_train.model.shape import PARTS
from lingshu_train.schema import Strict

Provided = Literal["corpus", "model", "results"]


class StageConfig(Strict):
    """Base of the kinds' Config classes."""

    distributed: ClassVar[bool] = False
    """Whether the stage runs on every process, so that the cluster's layout is part of what determines its bits."""

    provides: ClassVar[Provided | None] = None
    """What later stages may read from this one's folder: a corpus, a model, results."""

    judges: ClassVar[bool] = False
    """Whether the verifier decides over the result, so that its rules are part of what determines it."""

    kind: str

    @property
    def needs(self) -> tuple[tuple[str, str, Provided], ...]:
        """(configuration key, stage it names, what that stage must provide)."""
        return ()

    @property
    def parents(self) -> tuple[str, ...]:
        """The stages whose folders this one reads, each once."""
        return tuple(dict.fromkeys(stage for _, stage, _ in self.needs))

    @property
    def card_names(self) -> tuple[str, ...]:
        """Data cards this stage reads directly."""
        return ()

    @property
    def trains(self) -> tuple[str, ...]:
        """Parts of the model whose weights change."""
        return ()

    @property
    def files(self) -> tuple[str, ...]:
        """Files of the user's that determine the result beside the configuration."""
        return ()

    def check(self, where: str) -> None:
        """Cross-field rules. Raises RecipeError naming the key."""

    def check_world(self, where: str, world_size: int) -> None:
        """Rules that depend on the number of processes. Raises RecipeError naming the key."""


class Mix(Strict):
    """One ingredient of a training mixture: rows of a prepared corpus that fit every filter (an empty one fits all).

    An epoch takes them `repeat` times (1 where nothing is said, a half takes every other row), at most `limit` of them;
    or as many as make up the `share` of the epoch. What an epoch leaves out, the next takes first.
    """

    corpus: str
    split: str = "train"
    tasks: tuple[str, ...] = ()
    cards: tuple[str, ...] = ()
    question_types: tuple[str, ...] = ()
    modalities: tuple[str, ...] = ()
    repeat: float | None = None
    share: float | None = None
    limit: int | None = None


class TrainingConfig(StageConfig):
    """What supervised and reinforcement stages have in common. Give `steps` (optimizer steps) or `epochs`."""

    distributed: ClassVar[bool] = True
    provides: ClassVar[Provided | None] = "model"

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
    def needs(self) -> tuple[tuple[str, str, Provided], ...]:
        model: list[tuple[str, str, Provided]] = [("base", self.base, "model")] if self.base else []
        return (*model, *(("data", mix.corpus, "corpus") for mix in self.data))

    @property
    def trains(self) -> tuple[str, ...]:
        return self.train

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
