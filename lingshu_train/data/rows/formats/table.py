"""A table of your own: CSV, TSV, JSON, Parquet or a saved `datasets` folder with image, question and answer in columns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

from pydantic import Field, model_validator

from lingshu_train.data.rows import answers, choices, embedded, places, published
from lingshu_train.data.rows import row as rowlib
from lingshu_train.data.rows.choices import AnswerIs
from lingshu_train.data.rows.line import Line
from lingshu_train.data.rows.row import Origin, Picture, Row, Skipped
from lingshu_train.errors import DataError
from lingshu_train.record import AnswerType, Sample


class Fields(rowlib.Answered):
    """Names of columns, and what holds for every row."""

    question: str = "question"
    """Column of the question."""
    ask: str = ""
    """One text that is asked in every row, instead of a column."""
    answer: str = "answer"
    """Column of the answer."""
    image: str = "image"
    """Column of the picture: a file name below `images`, several as a list or with `separator` between them, or a
    picture's bytes. Empty for rows of text alone."""
    images: str = "."
    """Folder that file names start from."""
    suffix: str = ""
    """What completes a file name, where the cells leave it out. For example `.png`."""
    separator: str = ""
    """What stands between several file names of a cell; empty: a cell is one name."""
    without_image: Literal["refused", "kept"] = "refused"
    """What becomes of a row whose picture's cell is empty."""
    options: str | dict[str, str] = ""
    """Of multiple choice: one column with a list or a record, or a column for each letter. For example `{A: option_a,
    B: option_b}`."""
    answer_is: AnswerIs = "either"
    """What the answer holds where there are options: the letter, its place from 0, its text, or its letter or its
    text."""
    answer_type: AnswerType | Literal["guessed"] = "guessed"
    """How all answers are judged; `guessed` takes what each answer looks like, and `lingshu data check` counts the
    guesses."""
    answer_type_column: str = ""
    """Column that states the type row by row; empty: `answer_type` holds for all."""
    unit: str = ""
    """Unit of bare numbers. For example `mm`."""
    unit_column: str = ""
    """Column of the unit of bare numbers."""
    tolerance: float | None = Field(default=None, ge=0)
    """How far a number may be off, in the unit of the answer; none: it must be equal."""
    id: str = ""
    """Column of the row's own id; empty: its file and line."""
    group: str = ""
    """The patient's column; empty: rows of one picture belong together."""
    parents: str = ""
    """Column of the ids of the rows that this one was made from, one or a list, by whoever wrote it: a teacher model, a
    rule. `lingshu forget` lists rows that were made from withdrawn ones. Empty: not stated."""
    modality: str = ""
    """Column of the kind of picture; empty: not stated."""
    reasoning: str = ""
    """Column of the reasoning that is taught before the answer; empty: none."""
    form: rowlib.Form = rowlib.TAGS
    """How reasoning and answer are written where there is reasoning: `tags` (`<think>...</think><answer>...</answer>`, which
    rewards read), or a text of your own with {reasoning} and {answer}."""
    task: str = ""
    """What recipes choose the rows by; empty: from the type of each answer."""
    split: str = ""
    """Column of each row's split; empty: every row of a file belongs to the split that the file stands under."""
    split_values: dict[str, str] = Field(default_factory=dict)
    """What that column writes -> the split of `files` that it means. For example `{dev: validation}`."""

    @model_validator(mode="after")
    def _sense(self) -> Fields:
        if not self.question and not self.ask:
            raise ValueError(
                "needs `question`, the column of the questions, or `ask`, the text of one for all rows"
            )
        if isinstance(self.options, dict) and len(self.options) < 2:
            raise ValueError("`options` must be one column, or at least two letters with their columns")
        if set(self.split_values.values()) - set(self.files) or bool(self.split) != bool(self.split_values):
            raise ValueError("`split` is a column, and `split_values` its words with splits that `files` has")
        if self.answer_type in ("mcq", "multi_select") and not self.options:
            raise ValueError(f"answers of type {self.answer_type} need `options`")
        return self

    def columns(self) -> dict[str, rowlib.Content]:
        asked = "" if self.ask else self.question
        own = (asked, self.answer, self.answer_type_column, self.unit_column)
        texts = [*own, self.id, self.group, self.modality, self.reasoning, self.split]
        if isinstance(self.options, dict):
            texts += self.options.values()
        found: dict[str, rowlib.Content] = dict.fromkeys(filter(None, texts), rowlib.TEXT)
        nested = (self.options if isinstance(self.options, str) else "", self.parents)
        found |= dict.fromkeys(filter(None, nested), "nested")
        return found | ({self.image: "image"} if self.image else {})


def lines(fields: Fields, origin: Origin) -> Iterator[Line]:
    """Every row; class labels, which `datasets` stores as numbers, by their names."""
    written = replace(published.dialect(fields), names=True)
    for line in published.read(origin.root, fields.files[origin.split], written):
        split, found = _split(line, fields, origin)
        if split == origin.split:
            yield found


def rows(line: Line, fields: Fields, origin: Origin) -> Iterator[Row | Skipped]:
    """The question of a row, its answer of the type that is stated or guessed."""
    if answers.left_out(line, fields.answer, fields):
        yield answers.NONE
        return
    images = _images(line, fields, origin)
    question = fields.ask or line.text(fields.question)
    columns = fields.options if isinstance(fields.options, dict) else (fields.options,)
    options = choices.options(line, columns) if fields.options else {}
    question, options = places.asked(line, fields.question, question, options, len(images))
    kind, answer = _answer(line, fields, options, question)
    sample = Sample(
        id=_of(line, fields.id),
        card=origin.card,
        split=origin.split,
        task=fields.task or answers.task(kind),
        question=question,
        question_type=kind,
        answer=answer,
        options=options,
        reasoning=_of(line, fields.reasoning),
        form=rowlib.form(fields.form),
        group=line.text(fields.group) if fields.group else embedded.group(images),
        modality=_of(line, fields.modality),
        tol=fields.tolerance if kind == "numeric" else None,
        parents=line.names(fields.parents) if fields.parents else (),
    )
    yield Row(sample=sample, images=images)


def _split(line: Line, fields: Fields, origin: Origin) -> tuple[str, Line]:
    """The split that the line's own column says, and the line; where it cannot be told the first, and what is wrong."""
    if not fields.split:
        return origin.split, line
    try:
        word = line.sound().text(fields.split)
        if word not in fields.split_values:
            known = ", ".join(fields.split_values)
            raise line.error(fields.split, f"unknown split {word!r}; the card has: {known}")
    except DataError as fault:
        return next(iter(fields.files)), line.faulty(fault)
    return fields.split_values[word], line


def _images(line: Line, fields: Fields, origin: Origin) -> tuple[Picture, ...]:
    if not fields.image:
        return ()
    found = embedded.pictures(
        line,
        fields.image,
        origin.root / fields.images,
        suffix=fields.suffix,
        separator=fields.separator,
        anywhere=origin.anywhere,
    )
    if not found and (fields.without_image == "refused" or fields.image not in line.values):
        raise line.absent(fields.image)
    return found


def _answer(line: Line, fields: Fields, options: dict[str, str], question: str) -> tuple[AnswerType, str]:
    """The type of the answer and the answer: of a choice its letter, of a bare number with its unit."""
    kind = answers.of(line, fields.answer_type_column, fields.answer_type)
    if options and kind in (None, "mcq"):
        return "mcq", choices.letter(line, fields.answer, options, answer_is=fields.answer_is)
    answer = line.text(fields.answer)
    unit = fields.unit or _of(line, fields.unit_column)
    if unit and kind in (None, "numeric") and answers.is_bare_number(answer):
        answer = f"{answer} {unit}"
    return kind or answers.guess(answer, question=question), answer


def _of(line: Line, column: str) -> str:
    return line.optional(column) if column else ""
