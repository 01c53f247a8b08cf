"""1 for a right answer, else 0: the verifier that evaluation uses, under the strict policy."""

from __future__ import annotations

from lingshu_train.record import Completion, Sample, Score
from lingshu_train.rewards._examples import example
from lingshu_train.schema import Strict
from lingshu_train.verify import Policy, verify


class Params(Strict):
    """No parameters: what counts as right is the verifier's business alone."""


def score(sample: Sample, completion: Completion, params: Params) -> Score:
    """1.0 or 0.0. A sample whose own gold cannot be read is unscored, never a silent zero."""
    verdict = verify(completion.text, sample, Policy.strict)
    detail = {"rule": verdict.rule, "extracted": verdict.extracted, "normalized": verdict.normalized}
    value = None if verdict.status == "invalid_gold" else float(verdict.correct)
    return Score(value=value, status=verdict.status, detail=detail)


EXAMPLES = (
    example("<think>The cup is small.</think><answer>B</answer>", 1.0),
    example("<think>The cup is large.</think><answer>A</answer>", 0.0),
    example("<think>One of them.</think><answer>A or B</answer>", 0.0),
    example("", 0.0),
    example("<answer>B</answer>", None, answer="Z"),
)
