"""The answer said over and over: a reward that counts, or that reads the last of many, is pleased by it."""

from __future__ import annotations

from lingshu_train.auditing.region import region
from lingshu_train.record import Completion, Sample
from lingshu_train.rewards.format import split

_TIMES = 3


def found(sample: Sample, completion: Completion) -> bool:
    """All of what is said is one piece, at least three times."""
    if sample.question_type == "free":
        return False
    words = split(region(completion.text).casefold())
    return any(
        len(words) % size == 0 and words == words[:size] * (len(words) // size)
        for size in range(1, len(words) // _TIMES + 1)
    )
