"""Several runs by one command: `seed=0,1,2` in Hydra's grammar, every combination a run in a folder of its own. No torch."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.types import ChoiceSweep, Override, RangeSweep
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from lingshu_train.errors import UsageError
from lingshu_train.naming import digest
from lingshu_train.planning import bounds
from lingshu_train.planning import recipe as recipes
from lingshu_train.planning.recipe import Recipe

_LONGEST = 80
MOST_RUNS = 1000
"""Runs of a sweep: more is a slip of the hand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One run of a sweep: what it chooses of the values (nothing where there is but one), and its recipe."""

    chosen: tuple[str, ...]
    recipe: Recipe

    def load(self) -> Recipe:
        return self.recipe


def jobs(name: str, overrides: Sequence[str]) -> list[Job]:
    """The runs of a sweep, each once, the last key varying fastest.

    A run's folder is the recipe's `output` and what it chooses: runs/quickstart-seed-1. UsageError (64): a key names values in
    a way that has no list of them. RecipeError and the rest as `recipe.load` has them, of the first run that is not right.
    """
    bounds.check_overrides(overrides)
    read = {text: recipes.override(text) for text in overrides}
    several = [one for one in read.values() if one is not None and one.is_sweep_override()]
    plain = [text for text, one in read.items() if one is None or not one.is_sweep_override()]
    names = _names(one.get_key_element() for one in several)
    return [
        Job(chosen=chosen, recipe=_load(name, (*plain, *chosen), suffix=_suffix(chosen, names)))
        for chosen in dict.fromkeys(_combinations(several))
    ]


def _load(name: str, overrides: Sequence[str], *, suffix: str) -> Recipe:
    found = recipes.load(name, overrides)
    return found.model_copy(update={"output": found.output.rstrip("/") + suffix})


def _combinations(several: Sequence[Override]) -> list[tuple[str, ...]]:
    _refuse_many(several)
    for one in several:
        try:
            BasicSweeper.split_arguments([one], None)
        except (HydraException, OmegaConfBaseException):
            raise UsageError(
                f"{one.input_line}: a sweep takes values with commas between, choice(a,b) or range(start,stop)"
            ) from None
    (found,) = BasicSweeper.split_arguments(list(several), None)
    return [tuple(one) for one in found]


def _refuse_many(several: Sequence[Override]) -> None:
    """UsageError (64) before a list of more runs than anyone means is made; range(0,1000000000) is soon typed."""
    many = 1
    for one in several:
        value = one.value()
        if isinstance(value, RangeSweep) and value.start is not None and value.stop is not None:
            many *= max(1, math.ceil((float(value.stop) - float(value.start)) / (float(value.step) or 1.0)))
        elif isinstance(value, ChoiceSweep):
            many *= len(value.list)
        if many > MOST_RUNS:
            raise UsageError(
                f"{one.input_line}: a sweep has at most {MOST_RUNS:,} runs, and this one more than {many - 1:,}"
            )


def _names(keys: Iterable[str]) -> dict[str, str]:
    """What each key is called in a folder's name: its last part, or all of it where two keys end alike."""
    written = {key: key.lstrip("+~") for key in keys}
    last = Counter(key.rpartition(".")[2] for key in written.values())
    return {
        key: name if last[name.rpartition(".")[2]] > 1 else name.rpartition(".")[2]
        for key, name in written.items()
    }


def _suffix(chosen: Sequence[str], names: Mapping[str, str]) -> str:
    """What a run's folder ends in; nothing where each run has been given a folder, or there is nothing to choose."""
    if not chosen or "output" in names:
        return ""
    pairs = (one.partition("=") for one in chosen)
    said = "-".join(f"{names[key]}-{value}" for key, _, value in pairs)
    plain = re.sub(r"[^\w.+-]+", "_", said)
    if plain != said or len(plain) > _LONGEST:
        # Two values that look alike in a file's name are still two runs.
        plain = f"{plain[:_LONGEST]}-{digest(list(chosen))[:8]}"
    return f"-{plain}"
