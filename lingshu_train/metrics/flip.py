"""The share of counterfactual pairs of which both halves are answered rightly, with its Wilson interval.

Both ask the same of two versions of a picture, and the right answers differ: who does not look answers both alike, and has 0.
"""

from __future__ import annotations

from collections.abc import Sequence

from lingshu_train.metrics._intervals import Interval, wilson
from lingshu_train.record import Judged, Sample, pair_of


def applies(sample: Sample) -> bool:
    """To the halves of pairs."""
    return sample.question_type != "free" and bool(pair_of(sample.parents))


def value(judged: Sequence[Judged]) -> Interval:
    """Over pairs of which both halves were asked."""
    pairs: dict[str, list[Judged]] = {}
    for one in judged:
        pairs.setdefault(pair_of(one.sample.parents), []).append(one)
    whole = [both for both in pairs.values() if len({one.sample.answer for one in both}) > 1]
    if not whole:
        return Interval(value=0.0, low=0.0, high=1.0)
    return wilson(sum(all(one.verdict.correct for one in both) for both in whole), len(whole))
