"""What a file of rewards/ must define, and how one is found by its name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar, cast, runtime_checkable

from lingshu_train.errors import RecipeError
from lingshu_train.naming import component
from lingshu_train.record import Completion, Sample, Score
from lingshu_train.rewards._examples import Example
from lingshu_train.schema import Strict

PACKAGE = "lingshu_train.rewards"
ParamsT = TypeVar("ParamsT", bound=Strict)


@runtime_checkable
class Reward(Protocol[ParamsT]):
    """A file of rewards/, named as a recipe names it. Its `EXAMPLES` say what it is worth, and are tested."""

    @property
    def Params(self) -> type[ParamsT]:
        """The parameters a recipe may give; others are refused when it is planned."""
        ...

    @property
    def EXAMPLES(self) -> Sequence[Example]:
        """At least its best value and a lower one."""
        ...

    def score(self, sample: Sample, completion: Completion, params: ParamsT) -> Score:
        """Score one completion, the same way each time it is asked."""
        ...


def reward(name: str, *, where: str) -> Reward[Strict]:
    """The reward `name`. RecipeError, with the key `where`: there is none."""
    return cast("Reward[Strict]", component(PACKAGE, name, where=where, error=RecipeError))
