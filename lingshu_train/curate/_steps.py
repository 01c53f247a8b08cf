"""What a step of curation is: a file of this folder that judges rows one by one, or compares them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
import numpy.typing as npt
from pydantic import Field, JsonValue

from lingshu_train import naming
from lingshu_train.curate._candidate import Candidate
from lingshu_train.curate._decision import Decision
from lingshu_train.curate._phase import Phase
from lingshu_train.curate._rows import Rows
from lingshu_train.errors import RecipeError
from lingshu_train.schema import Strict, parse

PACKAGE = "lingshu_train.curate"


class StepChoice(Strict):
    """One step of curation."""

    name: str
    """A file of `curate/`."""
    params: dict[str, JsonValue] = Field(default_factory=dict)
    """Its own settings: see the step."""

    def __str__(self) -> str:
        values = " ".join(f"{key}={value}" for key, value in self.params.items())
        return f"{self.name} ({values})" if values else self.name


class Step(Protocol):
    """A file of curate/: `Params`, and `judge` or `decide`, and what of these it needs.

    Where it has a function `looks(params)` that says so, its rows' pictures are measured; `ready(params)` says before anything
    is done what is not installed (MissingInput), and `files(params)` which files of the user's decide. What it decides is a
    function of the rows, the parameters and these files alone.
    """

    Params: type[Strict]


class Judging(Step, Protocol):
    """A step that needs no other row: it runs in many processes, on any of the rows, and in no order."""

    def judge(self, row: Candidate, params: Strict, /) -> Iterable[Decision]: ...


class Comparing(Step, Protocol):
    """A step that compares rows: it sees those that earlier steps left, in order, in one process. What of it may be done in any
    order, by any process, a tuple PHASES says (`_phases.py`); `decide` then finds what they have made."""

    def decide(self, rows: Rows, params: Strict, /) -> Iterator[Decision]: ...


class Measuring(Comparing, Protocol):
    """One that first measures each row by itself, in many processes: a value of the numpy type MEASURED, as `Rows.measured`.

    What is measured is kept beside corpora. A step of this package that measures otherwise than before raises its VERSION (1
    where it states none), so that nothing of before is read; the code of a plugin is hashed. One that is quicker for many rows
    together has a `measure_all(rows, params)` too, (n, ...), which gives the same.
    """

    MEASURED: np.dtype[np.generic]

    def measure(self, row: Candidate, params: Strict, /) -> npt.ArrayLike: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A step of a recipe with its parameters read. One of `judging` and `comparing` is there."""

    name: str
    params: Strict
    looks: bool
    judging: Judging | None
    comparing: Comparing | None
    measuring: Measuring | None
    phases: tuple[Phase, ...]
    version: int | None
    """Of what a step of this package measures; None: of a plugin, whose code says it."""
    files: tuple[str, ...]
    """Of the user's, which decide beside the parameters."""

    def measured(self, rows: Sequence[Candidate]) -> npt.NDArray[Any]:
        """What a measuring step measures of some rows, (n, ...)."""
        assert self.measuring is not None, f"{self.name} measures nothing"
        kind = self.measuring.MEASURED
        together = getattr(self.measuring, "measure_all", None)
        if together is not None:
            found: npt.NDArray[Any] = np.asarray(together(rows, self.params), kind.base)
            return found
        values = np.zeros((len(rows), *kind.shape), kind.base)
        for number, row in enumerate(rows):
            values[number] = self.measuring.measure(row, self.params)
        return values


def check(steps: Sequence[StepChoice], *, where: str) -> None:
    """RecipeError (78) for a step that does not exist or has wrong parameters."""
    load(steps, where=where)


def ready(steps: Sequence[StepChoice], *, where: str) -> None:
    """MissingInput (66): a package or weights that a step needs are not here."""
    for wanted in steps:
        step: Step = naming.component(PACKAGE, wanted.name, where=where, error=RecipeError)
        getattr(step, "ready", _always)(parse(step.Params, wanted.params, where=where, error=RecipeError))


def files(steps: Sequence[StepChoice], *, where: str) -> tuple[str, ...]:
    """Files of the user's that decide beside the settings of the steps."""
    found: list[str] = []
    for wanted in steps:
        step: Step = naming.component(PACKAGE, wanted.name, where=where, error=RecipeError)
        params = parse(step.Params, wanted.params, where=where, error=RecipeError)
        found += getattr(step, "files", _none)(params)
    return tuple(found)


def load(steps: Sequence[StepChoice], *, where: str) -> tuple[Loaded, ...]:
    """The steps of a recipe. RecipeError (78) for one that does not exist or has wrong parameters."""
    return tuple(_load(wanted, where=f"{where}.{number}") for number, wanted in enumerate(steps))


def _load(wanted: StepChoice, *, where: str) -> Loaded:
    step: Step = naming.component(PACKAGE, wanted.name, where=f"{where}.name", error=RecipeError)
    params = parse(step.Params, wanted.params, where=f"{where}.params", error=RecipeError)
    return Loaded(
        name=wanted.name,
        params=params,
        looks=bool(getattr(step, "looks", _blind)(params)),
        judging=cast(Judging, step) if hasattr(step, "judge") else None,
        comparing=cast(Comparing, step) if hasattr(step, "decide") else None,
        measuring=cast(Measuring, step) if hasattr(step, "measure") else None,
        phases=tuple(getattr(step, "PHASES", ())),
        version=int(getattr(step, "VERSION", 1)) if _ours(step) else None,
        files=tuple(getattr(step, "files", _none)(params)),
    )


def _ours(step: Step) -> bool:
    """Whether a step is of this package, and none of a plugin's."""
    return Path(str(getattr(step, "__file__", ""))).is_relative_to(Path(__file__).parent)


def _none(params: Strict) -> tuple[str, ...]:
    """A step that reads nothing but rows."""
    return ()


def _always(params: Strict) -> None:
    """A step that needs nothing but this package."""


def _blind(params: Strict) -> bool:
    """A step that does not ask how pictures look."""
    return False
