"""What judged answers are worth in numbers: one file a metric, as in results.json. What is right is said in verify/."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Protocol

from lingshu_train import naming
from lingshu_train.metrics._intervals import Interval
from lingshu_train.record import Judged, Sample


class Metric(Protocol):
    """A file of metrics/."""

    def applies(self, sample: Sample) -> bool:
        """Whether it says anything of answers to this question."""
        ...

    def value(self, judged: Sequence[Judged]) -> Interval | float:
        """Over one or more answers to which it applies; an interval where it has one."""
        ...


def every() -> dict[str, Metric]:
    """All metrics by name, plugins' too."""
    return {name: _metric(name) for name in naming.components(__name__)}


def _metric(name: str) -> Metric:
    found: Metric = importlib.import_module(f"{__name__}.{name}")
    return found
