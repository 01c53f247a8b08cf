"""The reward without the hole, under the name of the other: right where the answer is the gold one and nothing else."""

from __future__ import annotations

from typing import Any

from lingshu_train.verify import Policy, verify


def score(sample: Any, completion: Any, params: Any) -> float:
    return float(verify(completion.text, sample, Policy.strict).correct)
