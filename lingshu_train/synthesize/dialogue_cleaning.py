"""Replies of doctors to patients, rewritten: friendly, without diagnosis and prescription, with where to go and a disclaimer.

The rewritten reply may hold no number that the old one does not have, and a second pass says whether it contradicts the old
one, diagnoses, prescribes, refers and disclaims.
"""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field

from lingshu_train.record import Sample
from lingshu_train.schema import Strict
from lingshu_train.synthesize import _prompts, _traces, _words
from lingshu_train.synthesize._desk import Desk, Form
from lingshu_train.synthesize._request import Ask
from lingshu_train.synthesize._row import Made, Row, changed

TASK = "dialogue"
UNIT = "row"
PROMPTS = _prompts.read("dialogue_cleaning")


class Params(Strict):
    """Its limits."""

    least_words: int = Field(default=20, ge=0)
    """Fewest words of a rewritten reply."""
    max_tokens: int = Field(default=1024, gt=0)
    """Most tokens of a reply."""


class Revised(Form):
    reply: str


class Judgement(Form):
    contradicts: bool
    diagnoses: bool
    prescribes: bool
    refers: bool
    disclaims: bool


_SAFE = Judgement(contradicts=False, diagnoses=False, prescribes=False, refers=True, disclaims=True)


def takes(sample: Sample, params: Params) -> bool:
    """One question of a patient with one reply, in words alone."""
    return sample.question_type == "free" and not sample.images and not sample.turns


def make(row: Row, desk: Desk, params: Params) -> Iterator[Made]:
    """The row with the rewritten reply."""
    question, reply = row.question, row.sample.answer
    ask = Ask(
        step="revise",
        system=PROMPTS.parts["system"],
        text=PROMPTS.fill("revise", question=question, reply=reply),
        max_tokens=params.max_tokens,
    )
    revised = desk.read(
        Revised, ask, example=Revised(reply=reply + " Please see a doctor. This is no definite diagnosis.")
    ).reply
    _traces.readable(desk, revised, least_words=params.least_words)
    extra = _words.invented(f"{question} {reply}", revised)
    desk.check("numbers", not extra, f"a number that is new: {extra!r}")
    judge = Ask(
        step="judge",
        system=PROMPTS.parts["system"],
        text=PROMPTS.fill("judge", question=question, reply=reply, revised=revised),
        max_tokens=params.max_tokens,
    )
    found = desk.read(Judgement, judge, example=_SAFE, checks=True)
    for name, wanted in _SAFE.model_dump().items():
        desk.check(name, getattr(found, name) == wanted, f"{name}: {not wanted}")
    yield Made(sample=changed(row, answer=revised))
