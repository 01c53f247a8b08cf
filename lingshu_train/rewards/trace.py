"""Reasoning that is none: the answer written first, a copy of the question, or one phrase over and over."""

from __future__ import annotations

from pydantic import Field

from lingshu_train.record import Completion, Sample, Score
from lingshu_train.rewards._examples import example
from lingshu_train.rewards.format import split
from lingshu_train.rewards.repetition import repeated_share
from lingshu_train.schema import Strict
from lingshu_train.verify import Policy, trace_of, verify

_RUN = 4


class Params(Strict):
    """When reasoning counts as none, and what that costs."""

    penalty: float = -0.1
    """The value where a fault is found."""
    early: int = Field(default=15, ge=1)
    """Tokens from the start in which the answer may not stand, where the trace is under `brief`."""
    brief: int = Field(default=40, ge=1)
    """Tokens under which a trace is brief."""
    share: float = Field(default=0.6, gt=0, le=1)
    """Part of a trace that may be copied from the question, or made of repeated runs."""


def score(sample: Sample, completion: Completion, params: Params) -> Score:
    """0, or the penalty with the fault as status."""
    fault = _fault(sample, completion, params)
    return Score(value=params.penalty if fault else 0.0, status=fault or "reasoned")


def _fault(sample: Sample, completion: Completion, params: Params) -> str:
    trace = split(trace_of(completion.text).lower())
    if not trace:
        return "empty"
    if copied_share(trace, split(sample.question.lower())) > params.share:
        return "question_copy"
    numbers = {token: index for index, token in enumerate(sorted(set(trace)))}
    if (
        len(trace) >= params.brief
        and repeated_share(tuple(numbers[token] for token in trace), _RUN) > params.share
    ):
        return "template_echo"
    answer = split(verify(completion.text, sample, Policy.strict).extracted.lower())
    if len(trace) < params.brief and answer and _contains(trace[: params.early], answer):
        return "early_answer"
    return ""


def copied_share(trace: list[str], question: list[str]) -> float:
    """The part of a trace covered by runs of four tokens that stand in the question."""
    known = {tuple(question[start : start + _RUN]) for start in range(len(question) - _RUN + 1)}
    covered = [False] * len(trace)
    for start in range(len(trace) - _RUN + 1):
        if tuple(trace[start : start + _RUN]) in known:
            covered[start : start + _RUN] = [True] * _RUN
    return sum(covered) / len(trace)


def _contains(tokens: list[str], part: list[str]) -> bool:
    return any(tokens[start : start + len(part)] == part for start in range(len(tokens) - len(part) + 1))


EXAMPLES = (
    example("<think>The left cup fills half of the disc.</think><answer>B</answer>", 0.0),
    example("<think>B. The cup is larger.</think><answer>B</answer>", -0.1),
    example("<think>Which eye shows the larger optic cup?</think><answer>B</answer>", -0.1),
    example("<think>" + "I look at the image. " * 20 + "</think><answer>B</answer>", -0.1),
    example("<answer>B</answer>", -0.1),
)
