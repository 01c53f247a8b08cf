"""Multiple choice in the columns of MedQA, MedMCQA, PubMedQA, MMLU, CMMLU, CMB, CMExam, Medbullets, MedXpertQA, SuperGPQA."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
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
    """One column that holds all options (a record, a list, or a list of records with `key` and `value`), or a column for
    each."""
    answer: str = "answer"
    """Column of the answer."""
    answer_is: Literal["letter", "index", "text", "letters"] = "letter"
    """What the answer column holds. `letters`: one or several, such as `AD`; of several, the question is a multi_select."""
    answers: str = ""
    """A JSON file of the answers that the rows do not hold: records with the same `id` and the answer's column. Empty: none."""
    reasoning: str = ""
    """Column of the reasoning that is taught before the letter; empty: none."""
    record: str = ""
    """Column in which all else is nested; empty: nothing is."""
    context: str = ""
    """Column of a text to read first; empty: none."""
    where: dict[str, str | tuple[str, ...]] = Field(default_factory=dict)
    """Which rows to keep: a column, and the value, or one of the values, that it must have."""
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
    if not all(_kept(line, column, values) for column, values in fields.where.items()):
        return
    name = line.optional("id")
    line = line.inside(fields.record) if fields.record else line
    if fields.answers:
        line = _answered(line, fields, origin.root / fields.answers)
    if answers.left_out(line, fields.answer, fields):
        yield answers.NONE
        return
    options = choices.options(line, fields.options)
    question = line.text(fields.question)
    golds = _golds(line, fields, options)
    sample = Sample(
        id=name,
        card=origin.card,
        split=origin.split,
        task="mcq",
        question=f"Context: {_context(line, fields.context)}\n{question}" if fields.context else question,
        question_type="mcq" if len(golds) == 1 else "multi_select",
        answer=", ".join(golds),
        options=options,
        reasoning=line.optional(fields.reasoning) if fields.reasoning else "",
    )
    images = pictures(line, fields.images, origin.root / fields.folder) if fields.images else ()
    yield Row(sample=sample, images=images)


def _kept(line: Line, column: str, values: str | tuple[str, ...]) -> bool:
    return line.optional(column) in ((values,) if isinstance(values, str) else values)


def _golds(line: Line, fields: Fields, options: Mapping[str, str]) -> tuple[str, ...]:
    if fields.answer_is == "letters":
        return choices.letters(line, fields.answer, options, written=line.text(fields.answer))
    return (choices.letter(line, fields.answer, options, answer_is=fields.answer_is),)


def _answered(line: Line, fields: Fields, path: Path) -> Line:
    """The row with the answer that another file holds. DataError: that has none for it."""
    given = _known(path, fields.answer).get(line.text("id"))
    if given is None:
        raise line.error("id", f"{line.text('id')!r} has no answer in {fields.answers}")
    return replace(line, values={**line.values, fields.answer: given})


@lru_cache(maxsize=4)
def _known(path: Path, column: str) -> Mapping[str, str]:
    """Answers by id."""
    return {line.text("id"): line.text(column) for line in published.read(path.parent, path.name)}


def _context(line: Line, field: str) -> str:
    """The passage, one paragraph per line."""
    if isinstance(line.values.get(field), list):
        return "\n".join(line.texts(field, kind="paragraph"))
    return line.text(field)
