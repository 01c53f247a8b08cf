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


@runtime_checkable
class OfPairs(Protocol):
    """A reward that is decided over a whole window, in which the halves of a counterfactual pair stand together."""

    def together(self, samples: Sequence[Sample], scores: Sequence[Score]) -> list[Score]:
        """What its own scores of all completions of a window, of all ranks, come to, in their order: a function of them
        alone."""
        ...


def reward(name: str, *, where: str) -> Reward[Strict]:
    """The reward `name`. RecipeError, with the key `where`: there is none."""
    return cast("Reward[Strict]", component(PACKAGE, name, where=where, error=RecipeError))
