"""How far runs differ in what they measured: against the first, and over seeds."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lingshu_train.comparison.gather import SEED, Contender, Question
from lingshu_train.errors import UsageError
from lingshu_train.metrics._intervals import Interval, difference, paired_difference
from lingshu_train.runs.results import ALL, Accuracy

_MACHINE = ("machine", "processor", "threads")
"""What may differ between runs of which one says that they differ in seed alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A run against the first, on `n` questions of its own. `paired`: both answered the same questions."""

    interval: Interval
    n: int
    paired: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Accuracies of runs that differ in seed alone: mean, standard deviation (n - 1), least and most."""

    mean: float
    deviation: float
    least: float
    most: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A task of one model, or the whole of one: a value and a difference for each run, a spread for each group of seeds."""

    name: str
    measured: tuple[Accuracy | None, ...]
    differences: tuple[Difference | None, ...]
    spreads: tuple[Spread | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Accuracies of one model by task, the mean over all questions last."""

    model: str
    rows: tuple[Row, ...]


def tables(runs: Sequence[Contender], *, model: str = "") -> list[Table]:
    """A table for every model that a run has, in the order of their plans, or for one. UsageError: no run has it."""
    names = list(dict.fromkeys(name for one in runs for name in one.models))
    if model and model not in names:
        raise UsageError(f"--model {model}: no run has evaluated it; there are: {', '.join(names)}")
    return [_table(runs, name) for name in names if name == model or not model]


def overall(found: Sequence[Table]) -> list[Row]:
    """One row a model: its accuracy over all questions."""
    rows = ((table.model, row) for table in found for row in table.rows if row.name == ALL)
    return [
        Row(name=name, measured=row.measured, differences=row.differences, spreads=row.spreads)
        for name, row in rows
    ]


def seeds(runs: Sequence[Contender]) -> list[tuple[int, ...]]:
    """Places of runs that differ in seed alone, two or more together."""
    groups: dict[tuple[str, ...], list[int]] = {}
    for place, one in enumerate(runs):
        groups.setdefault(_but_for_the_seed(one), []).append(place)
    return [tuple(places) for places in groups.values() if len({runs[place].seed for place in places}) > 1]


def _but_for_the_seed(one: Contender) -> tuple[str, ...]:
    settings = [f"{key}={value}" for key, value in sorted(one.settings.items()) if key != SEED]
    code = [f"{key}={value}" for key, value in sorted(one.code.items()) if key not in _MACHINE]
    cards = [value for key, value in sorted(one.data.items()) if key.endswith(": cards")]
    return (one.recipe, *settings, *code, *cards)


def _table(runs: Sequence[Contender], model: str) -> Table:
    tasks = list(dict.fromkeys(task for one in runs for task in one.results.models.get(model, {})))
    ordered = [*(task for task in tasks if task != ALL), *(task for task in tasks if task == ALL)]
    groups = seeds(runs)
    return Table(model=model, rows=tuple(_row(runs, model, task, groups) for task in ordered))


def _row(runs: Sequence[Contender], model: str, task: str, groups: Sequence[tuple[int, ...]]) -> Row:
    measured = tuple(one.results.models.get(model, {}).get(task) for one in runs)
    answers = [one.answers.get(model, {}).get(task, {}) for one in runs]
    return Row(
        name=task,
        measured=measured,
        differences=(None, *(_against(here, answers[0]) for here in answers[1:])),
        spreads=tuple(_spread([measured[place] for place in group]) for group in groups),
    )


def _against(after: Mapping[Question, bool], before: Mapping[Question, bool]) -> Difference | None:
    """Paired where both answered the same questions, else as two samples; None where one answered none."""
    if not after or not before:
        return None
    paired = after.keys() == before.keys()
    if paired:
        interval = paired_difference(list(after.values()), [before[question] for question in after])
    else:
        interval = difference(sum(after.values()), len(after), sum(before.values()), len(before))
    return Difference(interval=interval, n=len(after), paired=paired)


def _spread(found: Sequence[Accuracy | None]) -> Spread | None:
    values = [one.accuracy for one in found if one]
    if len(values) < 2:
        return None
    return Spread(
        mean=statistics.mean(values),
        deviation=statistics.stdev(values),
        least=min(values),
        most=max(values),
    )
