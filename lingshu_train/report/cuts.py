"""Accuracy of every model on parts of the held-out questions: by modality, by data card, by type of answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lingshu_train.metrics._intervals import Interval, wilson
from lingshu_train.report.gather import RunView
from lingshu_train.runs.results import Prediction

KEYS: tuple[tuple[str, Callable[[Prediction], str]], ...] = (
    ("modality", lambda line: line.modality),
    ("data card", lambda line: line.card),
    ("type of answer", lambda line: line.question_type),
)
NONE = "not stated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Some of the questions: how many, and each model's share of right answers in the order of the models."""

    name: str
    n: int
    measured: tuple[Interval, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """The questions divided by one of their properties, the largest part first."""

    title: str
    parts: tuple[Part, ...]


def cuts(view: RunView) -> list[Cut]:
    """Those that divide the questions: a property that all of them share tells nothing."""
    found = []
    for title, key in KEYS:
        counts: dict[str, dict[str, list[bool]]] = {}
        for model in view.models:
            for line in view.predictions.get(model, ()):
                counts.setdefault(key(line) or NONE, {}).setdefault(model, []).append(line.correct)
        if len(counts) > 1:
            parts = [_part(name, by_model, view.models) for name, by_model in counts.items()]
            found.append(Cut(title=title, parts=tuple(sorted(parts, key=lambda part: (-part.n, part.name)))))
    return found


def _part(name: str, by_model: dict[str, list[bool]], models: tuple[str, ...]) -> Part:
    right = [by_model.get(model, []) for model in models]
    return Part(
        name=name,
        n=max(len(each) for each in right),
        measured=tuple(wilson(sum(each), len(each)) for each in right),
    )
