"""Soft overlong penalty: 0 up to the limit less a margin, then linear to -1 at the limit (DAPO, equation 13).

Long answers are never rewarded, and right and wrong answers are measured alike.
"""

from __future__ import annotations

from pydantic import Field

from lingshu_train.record import Completion, Sample, Score
from lingshu_train.rewards._examples import example
from lingshu_train.schema import Strict


class Params(Strict):
    """Where the penalty starts and ends."""

    margin: int = Field(default=512, gt=0)
    """Tokens before the limit at which the penalty starts."""
    limit: int = Field(default=0, ge=0)
    """Tokens at which it is -1; 0 takes the generation limit."""


def score(sample: Sample, completion: Completion, params: Params) -> Score:
    """A value in [-1, 0]; unscored where no limit is known."""
    limit = params.limit or completion.max_tokens
    length = len(completion.token_ids)
    if not limit:
        return Score(value=None, status="no_limit")
    over = length - (limit - params.margin)
    value = -1.0 if completion.truncated else -min(1.0, max(0.0, over / params.margin))
    status = "truncated" if completion.truncated else "overlong" if value else "within"
    return Score(value=value, status=status, detail={"tokens": length, "limit": limit})


EXAMPLES = (
    example("short", 0.0, tokens=(1,) * 10, max_tokens=100, params={"margin": 20}),
    example("at the margin", 0.0, tokens=(1,) * 80, max_tokens=100, params={"margin": 20}),
    example("half way", -0.5, tokens=(1,) * 90, max_tokens=100, params={"margin": 20}),
    example("at the limit", -1.0, tokens=(1,) * 100, max_tokens=100, params={"margin": 20}),
    example("no limit known", None, tokens=(1,) * 100),
)
