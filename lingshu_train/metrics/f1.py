"""Mean F1 of label sets: accuracy asks for the whole set, this counts each label."""

from __future__ import annotations

from collections.abc import Sequence

from lingshu_train.record import Judged, Sample
from lingshu_train.verify.types import label_set


def applies(sample: Sample) -> bool:
    return sample.question_type == "label_set"


def value(judged: Sequence[Judged]) -> float:
    shares = [label_set.overlap(one.verdict.extracted, one.sample.answer) for one in judged]
    return sum(shares) / len(shares)
