"""The blocks of a recipe that say which prompts a window asks: dynamic sampling, and an online curriculum. No torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from lingshu_train.errors import RecipeError
from lingshu_train.rewards._compose import Composition
from lingshu_train.schema import Strict


class DynamicSampling(Strict):
    """Train on groups whose completions differ in reward."""

    most_draws: int = Field(gt=1)
    """How often a window may ask `rollout_prompts` prompts. Where groups with spread do not suffice, others fill it up. The
    order of prompts goes on by as many each window, asked or not."""


class Curriculum(Strict):
    """Ask the prompts of which most can be learned by now."""

    candidates: int = Field(gt=1)
    """How many times `rollout_prompts` of the order a window chooses among; those it does not ask are passed over in that
    epoch."""
    by: tuple[Literal["id", "task", "question_type", "card", "modality", "answer"], ...] = ("task",)
    """Fields of a row whose values make a kind; what is known of a kind decides over all its prompts."""
    memory: int = Field(default=16, gt=0)
    """Windows whose answers count. A kind that none of them asked is taken for half right."""
    term: str = "accuracy"
    """The reward whose value of 1 or more is a right answer."""

    def check(self, where: str, compositions: Sequence[Composition], *, workers: int) -> None:
        """`compositions` score, `workers` read ahead. RecipeError names the key of the stage at `where`."""
        for one in compositions:
            if self.term not in (known := [term.name for term in one.terms]):
                raise RecipeError(
                    f"{where}.curriculum.term: {self.term!r} is not among the terms that score: {', '.join(known)}"
                )
        if workers:
            raise RecipeError(
                f"{where}.loader_workers: {workers} processes read ahead of what a curriculum knows; set it to 0"
            )
        if not self.by:
            raise RecipeError(f"{where}.curriculum.by: empty; name a field, for example task")
