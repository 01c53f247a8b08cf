"""A thought that commits to another answer than the one given."""

from __future__ import annotations

from lingshu_train.record import Completion, Sample
from lingshu_train.rewards import consistency


def found(sample: Sample, completion: Completion) -> bool:
    """As the reward `consistency` reads it, and where the answer cannot be read alone nothing is said."""
    return consistency.score(sample, completion, consistency.Params()).status == "contradiction"
