"""Multiple choice in the columns of MedQA, MedMCQA, PubMedQA, MMLU, Medbullets, MedXpertQA, SuperGPQA."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from lingshu_train.data.rows import answers, choices, published
from lingshu_train.data.rows import row as rowlib
from lingshu_train.data.rows.embedded import pictures
from lingshu_train.data.rows.line import Line
from lingshu_train.data.rows.row import Origin, Row, Skipped
from lingshu_train.record import Sample


class Fields(rowlib.Answered):
    """Names of columns."""

    question: str = "question"
    """Column of the question."""
    options: tuple[str, ...] = ("options",)
    """One column that holds all options (a record or a list), or a column for each."""
    answer: str = "answer"
    """Column of the answer."""
    answer_is: Literal["letter", "index", "text"] = "letter"
    """What the answer column holds."""
    reasoning: str = ""
    """Column of the reasoning that is taught before the letter; empty: none."""
    record: str = ""
    """Column in which all else is nested; empty: nothing is."""
    context: str = ""
    """Column of a text to read first; empty: none."""
    where: dict[str, str] = Field(default_factory=dict)
    """Which rows to keep: a column, and the value that it must have."""
    images: str = ""
    """Column of the pictures' names; empty: none."""
    folder: str = "."
    """Folder of the pictures."""

    def columns(self) -> dict[str, rowlib.Content]:
        if self.record:
            return {self.record: "nested"}
        texts = (self.question, self.answer, self.reasoning, self.context, *self.where)
        options: rowlib.Content = "nested" if len(self.options) == 1 else "text"
        images: dict[str, rowlib.Content] = {self.images: "image"} if self.images else {}
        return {**{name: "text" for name in texts if name}, **dict.fromkeys(self.options, options), **images}


lines = published.table_lines


def rows(line: Line, fields: Fields, origin: Origin) -> Iterator[Row | Skipped]:
    if any(line.optional(column) != value for column, value in fields.where.items()):
        return
    name = line.optional("id")
    line = line.inside(fields.record) if fields.record else line
    if answers.left_out(line, fields.answer, fields):
        yield answers.NONE
        return
    options = choices.options(line, fields.options)
    question = line.text(fields.question)
    sample = Sample(
        id=name,
        card=origin.card,
        split=origin.split,
        task="mcq",
        question=f"Context: {_context(line, fields.context)}\n{question}" if fields.context else question,
        question_type="mcq",
        answer=choices.letter(line, fields.answer, options, answer_is=fields.answer_is),
        options=options,
        reasoning=line.optional(fields.reasoning) if fields.reasoning else "",
    )
    images = pictures(line, fields.images, origin.root / fields.folder) if fields.images else ()
    yield Row(sample=sample, images=images)


def _context(line: Line, field: str) -> str:
    """The passage, one paragraph per line."""
    if isinstance(line.values.get(field), list):
        return "\n".join(line.texts(field, kind="paragraph"))
    return line.text(field)
