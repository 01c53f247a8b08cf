"""What every kind of stage tells the planner about itself, without importing torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from lingshu_train.errors import RecipeError
from lingshu_train.model.shape import PARTS
from lingshu_train.schema import Strict


class StageConfig(Strict):
    """Base of the kinds' Config classes. `parents` names the stages whose folders this one reads."""

    distributed: ClassVar[bool] = False
    """Whether the stage runs on every process, so that the cluster's layout is part of what determines its bits."""

    kind: str

    @property
    def parents(self) -> tuple[str, ...]:
        return ()

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


def check_parts(where: str, train: tuple[str, ...], learning_rate: Mapping[str, float]) -> None:
    """Trainable parts exist, and each has a learning rate."""
    for part in train:
        if part not in PARTS:
            raise RecipeError(f"{where}.train: unknown part {part!r}; a model has: {', '.join(PARTS)}")
        if part not in learning_rate:
            raise RecipeError(
                f"{where}.learning_rate: no learning rate for {part!r}, which this stage trains"
            )
    for part in learning_rate:
        if part not in train:
            raise RecipeError(
                f"{where}.learning_rate.{part}: this stage does not train {part!r}; train: {', '.join(train)}"
            )
    if not train:
        raise RecipeError(f"{where}.train: nothing to train; name at least one of: {', '.join(PARTS)}")
