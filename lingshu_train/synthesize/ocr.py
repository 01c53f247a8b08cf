"""Reading: an exam question in words is drawn into a picture, the teacher reads and solves it, and that is kept where its
answer is the key.

What the teacher read must be what was drawn, up to `most_misread` of its letters. Size, margins, colours and tilt are drawn
from the row's id, so that not all pictures look alike.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator

from pydantic import Field

from lingshu_train.record import Sample
from lingshu_train.schema import Strict
from lingshu_train.synthesize import _page, _prompts, _traces
from lingshu_train.synthesize._desk import Desk, Form
from lingshu_train.synthesize._request import Ask
from lingshu_train.synthesize._row import Made, Row, changed

TASK = "reading"
UNIT = "row"
PROMPTS = _prompts.read("ocr")
ASKED = (
    "Explain the question in this picture and solve it.",
    "Read the exam question in the picture and explain how it is solved.",
    "What is asked in this picture, and what is the answer? Explain.",
    "Solve the question shown here step by step.",
)
"""What the made rows ask, drawn from the row's id."""


class Params(Strict):
    """How questions are drawn."""

    width: int = Field(default=560, ge=140)
    """Width of the picture in pixels; its height is what the text needs."""
    most_characters: int = Field(default=1500, gt=0)
    """Longer questions are passed over."""
    most_misread: float = Field(default=0.1, ge=0, le=1)
    """Share of the letters that the teacher may have read otherwise."""
    max_tokens: int = Field(default=1536, gt=0)
    """Most tokens of a reply."""


class Solution(Form):
    question_read: str
    reasoning: str
    answer: str


def takes(sample: Sample, params: Params) -> bool:
    """Questions in Latin letters without pictures, whose answers a rule can judge."""
    text = sample.question + "".join(sample.options.values())
    drawable = all(ord(character) < 0x250 or character in _page.SIGNS for character in text)
    judged = sample.question_type in ("mcq", "yes_no", "numeric", "short")
    return (
        judged and drawable and not sample.images and not sample.turns and len(text) <= params.most_characters
    )


def make(row: Row, desk: Desk, params: Params) -> Iterator[Made]:
    """The picture, a request to explain it, and the solution as free text that ends in the answer."""
    page = _page.drawn_of(row.question, seed=row.sample.id, width=params.width)
    ask = Ask(
        step="solve",
        system=PROMPTS.parts["system"],
        text=PROMPTS.fill("solve"),
        pictures=(page,),
        max_tokens=params.max_tokens,
    )
    solved = Solution(**_traces.example(row).model_dump(), question_read=row.question)
    found = desk.read(Solution, ask, example=solved)
    desk.check("answer", row.right(found.answer), f"the answer {found.answer[:40]!r} is not the key")
    missed = (
        1
        - difflib.SequenceMatcher(
            None, _letters(row.question), _letters(found.question_read), autojunk=False
        ).ratio()
    )
    desk.check("read", missed <= params.most_misread, f"{missed:.0%} of the letters were read otherwise")
    _traces.readable(desk, found.reasoning, least_words=8)
    asked = ASKED[_page.number(row.sample.id, "asked") % len(ASKED)]
    answer = f"{found.reasoning}\n\nFinal answer: {_key(row)}"
    made = changed(
        row,
        question=asked,
        question_type="free",
        answer=answer,
        options={},
        aliases=(),
        tol=None,
        reasoning="",
        modality="document",
    )
    yield Made(sample=made, pictures=(page,))


def _letters(text: str) -> str:
    return re.sub(r"[\W_]+", "", text.casefold())


def _key(row: Row) -> str:
    """The right answer as it stands in the picture."""
    text = row.sample.options.get(row.sample.answer)
    return f"{row.sample.answer}. {text}" if text else row.sample.answer
