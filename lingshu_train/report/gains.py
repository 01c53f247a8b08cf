"""What was measured on held-out questions, and what each stage added to the model before it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lingshu_train.metrics._intervals import Interval, paired_difference
from lingshu_train.report.gather import RunView
from lingshu_train.runs.results import ALL, Accuracy


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A task with the accuracy of every model on it, in the order of the models; None where one was not asked."""

    name: str
    n: int
    constant: float
    measured: tuple[Accuracy | None, ...]

    @property
    def label(self) -> str:
        return "all tasks" if self.overall else self.name

    @property
    def overall(self) -> bool:
        return self.name == ALL


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What one stage added to the model before it, on the same held-out questions."""

    after: str
    before: str
    n: int
    interval: Interval


def tasks(view: RunView) -> list[Task]:
    """Every task, the mean over all of them last; empty where nothing is evaluated yet."""
    found = []
    for name in view.results.tasks:
        measured = tuple(view.results.models[model].get(name) for model in view.models)
        known = next(each for each in measured if each)
        found.append(Task(name=name, n=known.n, constant=known.constant, measured=measured))
    return found


def changes(view: RunView) -> Sequence[Change]:
    """Each evaluated model against the one before it, over the questions both have answered."""
    found = []
    for before, after in zip(view.models, view.models[1:], strict=False):
        earlier = {line.id: line.correct for line in view.predictions.get(before, ())}
        later = {line.id: line.correct for line in view.predictions.get(after, ())}
        shared = sorted(earlier.keys() & later.keys())
        if shared:
            interval = paired_difference([later[key] for key in shared], [earlier[key] for key in shared])
            found.append(Change(after=after, before=before, n=len(shared), interval=interval))
    return found
