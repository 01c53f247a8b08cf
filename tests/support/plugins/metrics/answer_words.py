"""A metric in one file: mean words of an answer."""

from __future__ import annotations

from collections.abc import Sequence

from lingshu_train.record import Judged, Sample


def applies(sample: Sample) -> bool:
    return True


def value(judged: Sequence[Judged]) -> float:
    return sum(len(one.completion.text.split()) for one in judged) / len(judged)
