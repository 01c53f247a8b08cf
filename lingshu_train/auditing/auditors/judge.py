"""Audits by a language model behind an OpenAI-compatible endpoint, asked as the reward `judge` asks it."""

from __future__ import annotations

from lingshu_train.auditing.auditor import Finding
from lingshu_train.errors import RecipeError
from lingshu_train.record import Completion, Sample
from lingshu_train.rewards import judge
from lingshu_train.rollouts import endpoint

LATER = False


class Params(endpoint.Params):
    """The endpoint that is asked. With a `cache`, what was answered once is not asked again: a resume then comes to the same
    verdicts."""


def audit(sample: Sample, completion: Completion, params: Params) -> Finding:
    """The judge's verdict on the answer alone; none on an outage, an unreadable reply, or where the card forbids sending."""
    score = judge.opinion(sample, completion, judge.Params(**params.model_dump()))
    return Finding(false=None if score.value is None else score.value < 1.0, why=score.status)


def try_out(params: Params, where: str) -> None:
    """RecipeError: no address, or no cache."""
    for name in ("url", "model", "cache"):
        if not getattr(params, name):
            raise RecipeError(f"{where}.{name}: empty; a judge has an address, a model and a cache")
