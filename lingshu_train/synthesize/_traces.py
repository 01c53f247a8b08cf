"""Reasoning before an answer, and the checks that it goes through: what the pipelines of reasoning have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from lingshu_train.synthesize import _phrases
from lingshu_train.synthesize._desk import Desk, Form
from lingshu_train.synthesize._prompts import Prompts
from lingshu_train.synthesize._request import Ask
from lingshu_train.synthesize._row import Row

Action = Literal["drop", "flag", "off"]


class Trace(Form):
    """What a teacher reasons, and its answer."""

    reasoning: str
    answer: str


class Conclusion(Form):
    """The answer alone."""

    answer: str


def agreed(row: Row, desk: Desk, draws: Sequence[Trace], *, least: float) -> Trace:
    """The first of the draws that is right, where enough of them are."""
    right = [one for one in draws if row.right(one.answer)]
    desk.check("answer", bool(right), f"none of {len(draws)} answers is right")
    desk.check(
        "agreement", len(right) / len(draws) >= least, f"{len(right)} of {len(draws)} answers are right"
    )
    return right[0] if right else draws[0]


def readable(desk: Desk, text: str, *, least_words: int) -> None:
    """Checks of a text by its words alone."""
    desk.check("length", len(text.split()) >= least_words, f"fewer than {least_words} words")
    desk.check("refusal", not (found := _phrases.refuses(text)), f"refuses: {found!r}")
    desk.check("leak", not (found := _phrases.leaks(text)), f"tells what it was told: {found!r}")


def noted(desk: Desk, action: Action, name: str, passes: Callable[[], bool], why: str) -> None:
    """A check as the recipe wants it."""
    if action != "off":
        (desk.check if action == "drop" else desk.flag)(name, passes(), why)


def followed(row: Row, desk: Desk, prompts: Prompts, trace: Trace, *, max_tokens: int) -> bool:
    """Whether somebody who sees question and reasoning alone comes to the answer."""
    ask = Ask(
        step="blind",
        system=prompts.parts["system"],
        text=prompts.fill("blind", question=row.question, reasoning=trace.reasoning),
        max_tokens=max_tokens,
    )
    found = desk.read(Conclusion, ask, example=Conclusion(answer=row.sample.answer), checks=True)
    return row.right(found.answer)


def example(row: Row, sentences: int = 6) -> Trace:
    """As long as such replies are."""
    sentence = "The image shows a structure whose position, outline and brightness have to be described. "
    return Trace(reasoning=sentence * sentences, answer=row.sample.answer)
