"""Judged answers to numbers: accuracy by task and over all, with what every other metric says beside it."""

from __future__ import annotations

from collections.abc import Sequence

from lingshu_train import metrics
from lingshu_train.metrics import accuracy as right
from lingshu_train.metrics import constant
from lingshu_train.metrics._intervals import Interval
from lingshu_train.record import Judged
from lingshu_train.runs.results import ALL, Accuracy

HEADLINE = ("accuracy", "constant")
"""Metrics that every line has, under names of their own."""


def table(judged: Sequence[Judged]) -> dict[str, Accuracy]:
    """A line a task, and the line ALL over every answer."""
    tasks = sorted({one.sample.task for one in judged})
    found = {task: _line([one for one in judged if one.sample.task == task]) for task in tasks}
    return {**found, ALL: _line(judged)}


def accuracy(judged: Sequence[Judged]) -> float:
    """The share of right answers."""
    return right.value(judged).value


def _line(judged: Sequence[Judged]) -> Accuracy:
    share = right.value(judged)
    found: dict[str, float] = {
        "n": len(judged),
        "right": sum(one.verdict.correct for one in judged),
        "accuracy": share.value,
        "low": share.low,
        "high": share.high,
        "constant": constant.value(judged),
    }
    for name, metric in metrics.every().items():
        measured = [one for one in judged if metric.applies(one.sample)]
        if measured and name not in HEADLINE:
            found |= _columns(name, metric.value(measured))
    return Accuracy.model_validate(found)


def _columns(name: str, value: Interval | float) -> dict[str, float]:
    if isinstance(value, Interval):
        return {name: value.value, f"{name}_low": value.low, f"{name}_high": value.high}
    return {name: value}
