"""Penalty for repeated token n-grams. Counted on token ids, so Chinese is measured like English."""

from __future__ import annotations

from pydantic import Field

from lingshu_train.record import Completion, Sample, Score
from lingshu_train.rewards._examples import example
from lingshu_train.schema import Strict


class Params(Strict):
    """What is counted, and what it costs."""

    n: int = Field(default=4, ge=1)
    """Tokens in a run that counts as repeated."""
    free: float = Field(default=0.2, ge=0, lt=1)
    """Repeated share that costs nothing."""
    span: float = Field(default=0.6, gt=0)
    """Share beyond `free` over which the penalty falls to -1."""


def score(sample: Sample, completion: Completion, params: Params) -> Score:
    """A value in [-1, 0] from the share of n-grams that already occurred."""
    repeated = repeated_share(completion.token_ids or tuple(map(ord, completion.text)), params.n)
    value = -min(1.0, max(0.0, (repeated - params.free) / params.span))
    return Score(
        value=value + 0.0, status="repeats" if value else "varied", detail={"repeated": round(repeated, 4)}
    )


def repeated_share(ids: tuple[int, ...], n: int) -> float:
    """1 - distinct / all n-grams; 0 for texts shorter than two n-grams."""
    total = len(ids) - n + 1
    if total < 2:
        return 0.0
    return 1 - len(set(zip(*(ids[start:] for start in range(n)), strict=False))) / total


EXAMPLES = (
    example("varied", 0.0, tokens=tuple(range(40))),
    example("loops", -1.0, tokens=(7,) * 40),
    example("左肺左肺左肺左肺左肺左肺左肺左肺左肺左肺", -1.0),
    example("", 0.0),
)
