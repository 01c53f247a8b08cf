"""Reasoning before the answer of a question about pictures.

The teacher is asked the question, as often as `draws` says, and is not told the answer; the verifier judges each. Of the draws
that are right the first goes on, if enough of them agree. Then a second pass sees question and reasoning alone and must come to
the answer; and the teacher is asked again with grey in place of the pictures: where it is right then too, the picture was not
used. With `told` the teacher is shown the answer first, as the paper does; the checks stay the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from lingshu_train.record import Sample
from lingshu_train.schema import Strict
from lingshu_train.synthesize import _phrases, _prompts
from lingshu_train.synthesize._desk import Desk, Form
from lingshu_train.synthesize._request import Ask
from lingshu_train.synthesize._row import Made, Row, blank, changed

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
    blind: Literal["drop", "flag", "off"] = "drop"
    """What becomes of a row whose reasoning alone does not lead to the answer."""
    grounding: Literal["drop", "flag", "off"] = "drop"
    """What becomes of a row that is answered rightly without its picture."""
    blanks: int = Field(default=2, gt=0)
    """Times that it is asked without; right each time counts as not looking. Two, since half of all yes or no are guessed."""
    least_words: int = Field(default=8, ge=0)
    """Fewest words of the reasoning."""
    max_tokens: int = Field(default=1024, gt=0)
    """Most tokens of a reply."""


class Trace(Form):
    reasoning: str
    answer: str


class Conclusion(Form):
    answer: str


def takes(sample: Sample, params: Params) -> bool:
    """Questions about pictures whose answers a rule can judge."""
    return sample.question_type not in ("free", "bbox") and bool(sample.images) and not sample.turns


def make(row: Row, desk: Desk, params: Params) -> Iterator[Made]:
    drawn = [_reason(row, desk, params, draw=number) for number in range(params.draws)]
    right = [one for one in drawn if row.right(one.answer)]
    desk.check("answer", bool(right), f"none of {params.draws} answers is right")
    share = len(right) / len(drawn)
    desk.check("agreement", share >= params.agreement, f"{len(right)} of {params.draws} answers are right")
    trace = right[0] if right else drawn[0]
    read(desk, trace.reasoning, least_words=params.least_words)
    if params.blind != "off":
        _note(
            desk,
            params.blind,
            "blind",
            _followed(row, desk, params, trace),
            "the reasoning alone does not lead to the answer",
        )
    if params.grounding != "off":
        _note(
            desk,
            params.grounding,
            "grounding",
            _looked(row, desk, params),
            "answered rightly without the picture",
        )
    yield Made(
        sample=changed(row, reasoning=trace.reasoning), about={"right_draws": f"{len(right)}/{len(drawn)}"}
    )


def read(desk: Desk, text: str, *, least_words: int) -> None:
    """Checks of a text by its words alone."""
    desk.check("length", len(text.split()) >= least_words, f"fewer than {least_words} words")
    desk.check("refusal", not (found := _phrases.refuses(text)), f"refuses: {found!r}")
    desk.check("leak", not (found := _phrases.leaks(text)), f"tells what it was told: {found!r}")


def _note(desk: Desk, action: str, name: str, passed: bool, why: str) -> None:
    (desk.check if action == "drop" else desk.flag)(name, passed, why)


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
    return desk.read(Trace, ask, example=_example(row))


def _followed(row: Row, desk: Desk, params: Params, trace: Trace) -> bool:
    ask = Ask(
        step="blind",
        system=PROMPTS.parts["system"],
        text=PROMPTS.fill("blind", question=row.question, reasoning=trace.reasoning),
        max_tokens=params.max_tokens,
    )
    return row.right(
        desk.read(Conclusion, ask, example=Conclusion(answer=row.sample.answer), checks=True).answer
    )


def _looked(row: Row, desk: Desk, params: Params) -> bool:
    """Asked without the picture until an answer is not right: most often that is the first."""
    return not all(
        row.right(_reason(row, desk, params, draw=number, seen=False).answer)
        for number in range(params.blanks)
    )


def _example(row: Row) -> Trace:
    """As long as such replies are."""
    sentence = "The image shows a structure whose position, outline and brightness have to be described. "
    return Trace(reasoning=sentence * 6, answer=row.sample.answer)
