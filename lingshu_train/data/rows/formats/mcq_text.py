"""Multiple choice in the columns of MedQA, MedMCQA, PubMedQA, MMLU, Medbullets, MedXpertQA, SuperGPQA."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from string import ascii_uppercase
from typing import Literal

from pydantic import Field

from lingshu_train.data.rows import published
from lingshu_train.data.rows import row as rowlib
from lingshu_train.data.rows.embedded import pictures
from lingshu_train.data.rows.line import Line
from lingshu_train.data.rows.row import Origin, Row
from lingshu_train.record import Sample


class Fields(rowlib.SplitFiles):
    """`options`: one column that holds them all (a record or a list), or one column per option.

    `answer_is` says what the answer column holds. `record`: the column in which all else is nested.
    `context`: text to read first. `where`: the rows to keep. `images`: the column of images in `folder`.
    """

    question: str = "question"
    options: tuple[str, ...] = ("options",)
    answer: str = "answer"
    answer_is: Literal["letter", "index", "text"] = "letter"
    record: str = ""
    context: str = ""
    where: dict[str, str] = Field(default_factory=dict)
    images: str = ""
    folder: str = "."

    def columns(self) -> dict[str, rowlib.Content]:
        if self.record:
            return {self.record: "nested"}
        texts = (self.question, self.answer, self.context, *self.where)
        options: rowlib.Content = "nested" if len(self.options) == 1 else "text"
        images: dict[str, rowlib.Content] = {self.images: "image"} if self.images else {}
        return {**{name: "text" for name in texts if name}, **dict.fromkeys(self.options, options), **images}


lines = published.table_lines


def rows(line: Line, fields: Fields, origin: Origin) -> Iterator[Row]:
    if any(line.optional(column) != value for column, value in fields.where.items()):
        return
    name = line.optional("id")
    line = line.inside(fields.record) if fields.record else line
    options = _options(line, fields.options)
    question = line.text(fields.question)
    sample = Sample(
        id=name,
        card=origin.card,
        split=origin.split,
        task="mcq",
        question=f"Context: {_context(line, fields.context)}\n{question}" if fields.context else question,
        question_type="mcq",
        answer=_letter(line, fields, options),
        options=options,
    )
    images = pictures(line, fields.images, origin.root / fields.folder) if fields.images else ()
    yield Row(sample=sample, images=images)


def _options(line: Line, columns: tuple[str, ...]) -> dict[str, str]:
    """Letter -> text. Empty options at the end are left out; fewer than two are refused."""
    if len(columns) > 1:
        found: object = [line.optional(column) for column in columns]
    else:
        found = line.values.get(columns[0])
    if isinstance(found, Mapping):
        options = {str(letter): str(text).strip() for letter, text in found.items() if text is not None}
    elif isinstance(found, list):
        options = {
            letter: str(text).strip()
            for letter, text in zip(ascii_uppercase, found, strict=False)
            if text not in (None, "")
        }
    else:
        raise line.error(columns[0], "must hold the options as a record or a list")
    if len(options) < 2:
        raise line.error(columns[0], f"needs at least two options, got {len(options)}")
    return options


def _letter(line: Line, fields: Fields, options: Mapping[str, str]) -> str:
    value = line.text(fields.answer)
    if fields.answer_is == "text":
        value = next((letter for letter, text in options.items() if text == value), value)
    if fields.answer_is == "index":
        if not value.isdecimal() or len(value) > 2 or int(value) >= len(ascii_uppercase):
            raise line.error(fields.answer, f"must be the number of an option, from 0, got {value!r}")
        value = ascii_uppercase[int(value)]
    if value not in options:
        raise line.error(fields.answer, f"{value!r} is none of the options {', '.join(options)}")
    return value


def _context(line: Line, field: str) -> str:
    """The passage, one paragraph per line."""
    value = line.values.get(field)
    return "\n".join(str(part) for part in value) if isinstance(value, list) else line.text(field)
