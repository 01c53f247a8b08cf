"""What the best constant answer of each task would reach: accuracy below it was learned without looking."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from lingshu_train.metrics.accuracy import applies as applies
from lingshu_train.record import Judged


def value(judged: Sequence[Judged]) -> float:
    """Share of the commonest gold answer; over several tasks, each has its own."""
    answers: dict[str, Counter[str]] = {}
    for one in judged:
        answers.setdefault(one.sample.task, Counter())[one.sample.answer] += 1
    return sum(counted.most_common(1)[0][1] for counted in answers.values()) / len(judged)
