"""What every kind of stage tells the planner about itself, without importing torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

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
    def num_steps(self) -> int | None:
        """Optimizer steps, where that is known before the data is prepared."""
        return None

    @property
    def files(self) -> tuple[str, ...]:
        """Files of the user's that determine the result beside the configuration."""
        return ()

    def check(self, where: str) -> None:
        """Cross-field rules. Raises RecipeError naming the key."""

    def check_world(self, where: str, world_size: int) -> None:
        """Rules that depend on the number of processes. Raises RecipeError naming the key."""


class Mix(Strict):
    """One ingredient of a training mixture: rows of a prepared corpus, all of them or those of some tasks."""

    corpus: str
    tasks: tuple[str, ...] = ()
    split: str = "train"


def trained_from(base: str, data: Sequence[Mix]) -> tuple[tuple[str, str, Provided], ...]:
    """What a training stage needs: the model of an earlier stage, unless it starts from the recipe's, and corpora."""
    model: list[tuple[str, str, Provided]] = [("base", base, "model")] if base else []
    return (*model, *(("data", mix.corpus, "corpus") for mix in data))


def check_parts(where: str, train: tuple[str, ...], learning_rate: Mapping[str, float]) -> None:
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
