"""The share of right answers, with its Wilson interval."""

from __future__ import annotations

from collections.abc import Sequence

from lingshu_train.metrics._intervals import Interval, wilson
from lingshu_train.record import Judged, Sample


def applies(sample: Sample) -> bool:
    """To every question but free text, which no rule can judge."""
    return sample.question_type != "free"


def value(judged: Sequence[Judged]) -> Interval:
    return wilson(sum(one.verdict.correct for one in judged), len(judged))
