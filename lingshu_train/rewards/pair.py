"""Right on both pictures: a right answer to one half of a counterfactual pair earns the share of right answers to the other.

With p the chance of a right answer to each half, what a group earns on average is the product of both, whose gradient is the
sum of the gradients that the two halves give, as long as no standard deviation divides them (`loss: dr_grpo`): the chance that
both are right is what is climbed, and who answers both pictures alike has at most a quarter of it between two answers.
"""

from __future__ import annotations

from collections.abc import Sequence

from lingshu_train.record import Completion, Sample, Score, pair_of
from lingshu_train.rewards import accuracy
from lingshu_train.rewards._examples import example
from lingshu_train.schema import Strict


class Params(Strict):
    """No parameters: what counts as right is the verifier's business alone."""


def score(sample: Sample, completion: Completion, params: Params) -> Score:
    """Whether this answer is right by itself, as `accuracy` says: what a row that is of no pair earns."""
    return accuracy.score(sample, completion, accuracy.Params())


def together(samples: Sequence[Sample], scores: Sequence[Score]) -> list[Score]:
    """Of all completions of a window: own value times the mean of those to the other half. Unscored, with status
    "partner_missing", where the window has no scored answer to the other half."""
    halves: dict[str, dict[str, list[float]]] = {}
    for sample, one in zip(samples, scores, strict=True):
        if (name := pair_of(sample.parents)) and one.value is not None:
            halves.setdefault(name, {}).setdefault(sample.id, []).append(one.value)
    shares = {
        name: {row: sum(values) / len(values) for row, values in both.items()}
        for name, both in halves.items()
    }
    return [_of(sample, one, shares) for sample, one in zip(samples, scores, strict=True)]


def _of(sample: Sample, own: Score, shares: dict[str, dict[str, float]]) -> Score:
    name = pair_of(sample.parents)
    if not name or own.value is None:
        return own
    others = [share for row, share in shares[name].items() if row != sample.id]
    if len(others) != 1:
        return Score(value=None, status="partner_missing")
    detail = {**own.detail, "partner": others[0]}
    if not own.value:
        return Score(value=0.0, status=own.status, detail=detail)
    return Score(
        value=own.value * others[0], status="both" if others[0] else "this_half_alone", detail=detail
    )


EXAMPLES = (
    example("<think>The cup is small.</think><answer>B</answer>", 1.0),
    example("<think>The cup is large.</think><answer>A</answer>", 0.0),
    example("<answer>B</answer>", None, answer="Z"),
)
