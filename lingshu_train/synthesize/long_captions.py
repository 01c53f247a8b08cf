"""Long captions in five steps, from pictures that have labels, outlines or boxes alone.

Facts are gathered from all rows of a picture; boxes are drawn on it; the teacher describes it with both, then again without
them, by the checklist of its modality; both texts are merged, and the first wins. Beyond the paper's rules: no side and no
number may be new, and a second pass says whether the merged text contradicts the first one or has lost a fact of it.
"""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field

from lingshu_train.record import Sample
from lingshu_train.schema import Strict
from lingshu_train.synthesize import _page, _prompts, _traces, _words
from lingshu_train.synthesize._desk import Desk, Form
from lingshu_train.synthesize._request import Ask, Picture
from lingshu_train.synthesize._row import Box, Made, Row, boxed, changed
from lingshu_train.verify.types import bbox

TASK = "caption"
UNIT = "picture"
PROMPTS = _prompts.read("long_captions")
ASKED = (
    "Describe this image in detail.",
    "Write a detailed description of this medical image.",
    "What is to be seen in this image? Describe all findings.",
)
"""What the made rows ask, drawn from the row's id."""
_CHECKLISTS = {
    "mri": "mri",
    "x-ray": "x-ray",
    "mammogram": "x-ray",
    "ct": "ct",
    "histopathology": "histopathology",
    "histology": "histopathology",
    "microscopy": "histopathology",
    "dermoscopy": "dermoscopy",
    "endoscopy": "endoscopy",
    "fundus photograph": "fundus",
    "ultrasound": "ultrasound",
}
"""Modality -> the part of the prompts that lists what doctors look at; another one has `other`."""
_WORDS = "The image shows an organ in its usual place with a bright and well defined area beside it, unlike what is around. "


class Params(Strict):
    """How long, and how."""

    least_words: int = Field(default=60, ge=0)
    """Fewest words of the caption."""
    most_words: int = Field(default=300, gt=0)
    """Most words that are asked for."""
    max_tokens: int = Field(default=1024, gt=0)
    """Most tokens of a reply."""


class Caption(Form):
    caption: str


class Compared(Form):
    contradicts: bool
    complete: bool


def takes(sample: Sample, params: Params) -> bool:
    """Rows of one picture: its labels as questions with answers, its boxes, or a short caption."""
    return len(sample.images) == 1 and not sample.turns


def make(row: Row, desk: Desk, params: Params) -> Iterator[Made]:
    """One caption of a picture."""
    facts, boxes = _facts(row), _boxes(row)
    desk.check("facts", bool(facts), "no row of the picture states anything")
    checklist = _checklist(row)
    told = _say(desk, params, "facts", _with_facts(row, facts, boxes), _marked(row.pictures, boxes))
    _traces.readable(desk, told, least_words=15)
    seen = _say(desk, params, "preference", PROMPTS.fill("preference", checklist=checklist), row.pictures)
    slots = {"least": str(params.least_words), "most": str(params.most_words), "features": _line(checklist)}
    merged = _say(desk, params, "merge", PROMPTS.fill("merge", facts=told, preference=seen, **slots), ())
    _traces.readable(desk, merged, least_words=params.least_words)
    source = f"{facts} {told} {seen}"
    extra = _words.invented(source, merged)
    desk.check("numbers", not extra, f"a number that is new: {extra!r}")
    side = min(_words.sides(merged) - _words.sides(source), default="")
    desk.check("sides", not side, f"a side that is new: {side!r}")
    ask = Ask(
        step="compare",
        system=PROMPTS.parts["system"],
        text=PROMPTS.fill("compare", facts=told, merged=merged),
        max_tokens=params.max_tokens,
    )
    found = desk.read(Compared, ask, example=Compared(contradicts=False, complete=True), checks=True)
    desk.check("contradicts", not found.contradicts, "the merged text contradicts the first one")
    desk.check("complete", found.complete, "the merged text has lost a fact of the first one")
    asked = ASKED[_page.number(row.sample.id, "asked") % len(ASKED)]
    made = changed(
        row,
        question=asked,
        question_type="free",
        answer=merged,
        options={},
        aliases=(),
        tol=None,
        reasoning="",
        form="",
    )
    yield Made(sample=made)


def _say(desk: Desk, params: Params, step: str, text: str, pictures: tuple[Picture, ...]) -> str:
    ask = Ask(
        step=step, system=PROMPTS.parts["system"], text=text, pictures=pictures, max_tokens=params.max_tokens
    )
    return desk.read(Caption, ask, example=Caption(caption=_WORDS * 5)).caption


def _facts(row: Row) -> str:
    """What the rows of the picture say, a line each."""
    lines = []
    for one in row.beside:
        if one.question_type == "bbox":
            continue
        if one.question_type == "free":
            lines.append(f"- {one.answer}")
        else:
            lines.append(f"- {one.question} {one.options.get(one.answer, one.answer)}")
    return "\n".join(dict.fromkeys(lines))


def _boxes(row: Row) -> tuple[Box, ...]:
    found = [bbox.read(one.answer) for one in row.beside if one.question_type == "bbox"]
    return tuple(dict.fromkeys(box for box in found if box is not None))


def _with_facts(row: Row, facts: str, boxes: tuple[Box, ...]) -> str:
    return PROMPTS.fill(
        "facts",
        facts=facts,
        marked="What the facts are about is marked in red in the image.\n" if boxes else "",
        modality=row.sample.modality or "not stated",
        subject="what is marked" if boxes else "what the facts name",
    )


def _marked(pictures: tuple[Picture, ...], boxes: tuple[Box, ...]) -> tuple[Picture, ...]:
    return (boxed(pictures[0], boxes),) if boxes else pictures


def _checklist(row: Row) -> str:
    modality = row.sample.modality
    knee = modality == "x-ray" and "knee" in f"{row.sample.card} {_facts(row)}".casefold()
    return PROMPTS.parts["knee" if knee else _CHECKLISTS.get(modality, "other")]


def _line(checklist: str) -> str:
    """The checklist as words of a sentence."""
    return "; ".join(line.removeprefix("- ") for line in checklist.splitlines())
