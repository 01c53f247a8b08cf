"""Reasoning before the answer of a question in words alone: distilled from a teacher that is not told the answer.

The verifier judges each draw, and a second pass must come to the answer from question and reasoning alone.
"""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field

from lingshu_train.record import Sample
from lingshu_train.schema import Strict
from lingshu_train.synthesize import _prompts, _traces
from lingshu_train.synthesize._desk import Desk
from lingshu_train.synthesize._request import Ask
from lingshu_train.synthesize._row import Made, Row, changed
from lingshu_train.synthesize._traces import Action, Trace

TASK = "reasoning"
UNIT = "row"
PROMPTS = _prompts.read("text_reasoning")


class Params(Strict):
    """How often, and which checks."""

    draws: int = Field(default=3, gt=0)
    """Answers that are drawn."""
    agreement: float = Field(default=0.5, ge=0, le=1)
    """Least share of them that must be right."""
    temperature: float = Field(default=0.7, ge=0)
    """Temperature at which they are drawn."""
    blind: Action = "drop"
    """What becomes of a row whose reasoning alone does not lead to the answer."""
    least_words: int = Field(default=20, ge=0)
    """Fewest words of the reasoning."""
    max_tokens: int = Field(default=2048, gt=0)
    """Most tokens of a reply."""


def takes(sample: Sample, params: Params) -> bool:
    """Questions without pictures whose answers a rule can judge."""
    return sample.question_type not in ("free", "bbox") and not sample.images and not sample.turns


def make(row: Row, desk: Desk, params: Params) -> Iterator[Made]:
    """The row with the reasoning before its answer."""
    draws = [_reason(row, desk, params, draw=number) for number in range(params.draws)]
    trace = _traces.agreed(row, desk, draws, least=params.agreement)
    _traces.readable(desk, trace.reasoning, least_words=params.least_words)
    _traces.noted(
        desk,
        params.blind,
        "blind",
        lambda: _traces.followed(row, desk, PROMPTS, trace, max_tokens=params.max_tokens),
        "the reasoning alone does not lead to the answer",
    )
    yield Made(sample=changed(row, reasoning=trace.reasoning))


def _reason(row: Row, desk: Desk, params: Params, *, draw: int) -> Trace:
    ask = Ask(
        step="reason",
        system=PROMPTS.parts["system"],
        text=PROMPTS.fill("reason", question=row.question),
        max_tokens=params.max_tokens,
        temperature=params.temperature,
        draw=draw,
    )
    return desk.read(Trace, ask, example=_traces.example(row, sentences=10))
