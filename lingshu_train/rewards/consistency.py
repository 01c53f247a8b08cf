"""The reasoning must not contradict the answer: the verifier reads its last commitment too.

Agreement and silence give 0, so that there is nothing to gain by announcing an answer in the reasoning.
"""

from __future__ import annotations

from lingshu_train.record import Completion, Sample, Score
from lingshu_train.rewards._examples import example
from lingshu_train.schema import Strict
from lingshu_train.verify import Policy, stated_answer, trace_of, verify


class Params(Strict):
    """What a contradiction costs."""

    penalty: float = -0.2
    """The value of a contradiction."""


def score(sample: Sample, completion: Completion, params: Params) -> Score:
    """0, or the penalty where the reasoning commits to another answer than the one given."""
    final = verify(completion.text, sample, Policy.strict)
    if final.status not in ("right", "wrong") or not final.normalized:
        return Score(value=0.0, status="no_answer")
    stated = stated_answer(trace_of(completion.text), sample)
    if stated is None:
        return Score(value=0.0, status="no_commitment")
    same = stated.normalized == final.normalized or (stated.correct and final.correct)
    detail = {"stated": stated.extracted, "answer": final.extracted}
    return Score(
        value=0.0 if same else params.penalty, status="consistent" if same else "contradiction", detail=detail
    )


EXAMPLES = (
    example("<think>The left cup is larger, so the answer is B.</think><answer>B</answer>", 0.0),
    example("<think>The answer is A. No, wait, the answer is B.</think><answer>B</answer>", 0.0),
    example("<think>The left cup is larger.</think><answer>B</answer>", 0.0),
    example("<think>Therefore the answer is A.</think><answer>B</answer>", -0.2),
    example("<think>所以答案是A。</think><answer>B</answer>", -0.2),
)
