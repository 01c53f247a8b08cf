"""Reasoning before the answer of a question about pictures.

The teacher is asked the question, as often as `draws` says, and is not told the answer; the verifier judges each. Of the draws
that are right the first goes on, if enough of them agree. Then a second pass sees question and reasoning alone and must come to
the answer; and the teacher is asked again with grey in place of the pictures: where it is right then too, the picture was not
used. With `told` the teacher is shown the answer first, as the paper does; the checks stay the same.
"""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field

from lingshu_train.record import Sample
from lingshu_train.schema import Strict
from lingshu_train.synthesize import _prompts, _traces
from lingshu_train.synthesize._desk import Desk
from lingshu_train.synthesize._request import Ask
from lingshu_train.synthesize._row import Made, Row, blank, changed
from lingshu_train.synthesize._traces import Action, Trace

TASK = "reasoning"
UNIT = "row"
PROMPTS = _prompts.read("vqa_reasoning")


class Params(Strict):
    """How often, and which checks."""

    told: bool = False
    """Whether the teacher is shown the answer, as in the paper."""
    draws: int = Field(default=3, gt=0)
    """Answers that are drawn."""
    agreement: float = Field(default=0.5, ge=0, le=1)
    """Least share of them that must be right."""
    temperature: float = Field(default=0.7, ge=0)
    """Temperature at which they are drawn."""
    blind: Action = "drop"
    """What becomes of a row whose reasoning alone does not lead to the answer."""
    grounding: Action = "drop"
    """What becomes of a row that is answered rightly without its picture."""
    blanks: int = Field(default=2, gt=0)
    """Times that it is asked without; right each time counts as not looking. Two, since half of all yes or no are guessed."""
    least_words: int = Field(default=8, ge=0)
    """Fewest words of the reasoning."""
    max_tokens: int = Field(default=1024, gt=0)
    """Most tokens of a reply."""


def takes(sample: Sample, params: Params) -> bool:
    """Questions about pictures whose answers a rule can judge."""
    return sample.question_type not in ("free", "bbox") and bool(sample.images) and not sample.turns


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
    _traces.noted(
        desk,
        params.grounding,
        "grounding",
        lambda: _looked(row, desk, params),
        "answered rightly without the picture",
    )
    right = sum(row.right(one.answer) for one in draws)
    yield Made(sample=changed(row, reasoning=trace.reasoning), about={"right_draws": f"{right}/{len(draws)}"})


def _reason(row: Row, desk: Desk, params: Params, *, draw: int, seen: bool = True) -> Trace:
    told = params.told and seen
    slots = {"question": row.question, "answer": row.sample.answer}
    ask = Ask(
        step="reason" if seen else "blank",
        system=PROMPTS.parts["system"],
        text=PROMPTS.fill("reason_told" if told else "reason", **slots),
        pictures=row.pictures if seen else tuple(map(blank, row.pictures)),
        max_tokens=params.max_tokens,
        temperature=params.temperature,
        draw=draw,
    )
    return desk.read(Trace, ask, example=_traces.example(row))


def _looked(row: Row, desk: Desk, params: Params) -> bool:
    """Asked without the picture until an answer is not right: most often that is the first."""
    return not all(
        row.right(_reason(row, desk, params, draw=number, seen=False).answer)
        for number in range(params.blanks)
    )
