"""MMMU, MedFrameQA: Parquet with up to seven images per row, `<image 1>` marks in the text, options as a list."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path

from lingshu_train.data.rows import answers, choices, places, published
from lingshu_train.data.rows import row as rowlib
from lingshu_train.data.rows.embedded import pictures
from lingshu_train.data.rows.line import Line
from lingshu_train.data.rows.row import Origin, Picture, Row
from lingshu_train.documents import read_json
from lingshu_train.errors import DataError, MissingInput
from lingshu_train.record import IMAGE_MARK, Sample

MARK = re.compile(r"<image ([0-9])>")
COLUMNS = tuple(f"image_{number}" for number in range(1, 8))
SECRET = "?"
"""What stands for an answer that the publisher keeps."""


class Fields(rowlib.TableFiles):
    """Names of columns, and where answers stand that the files keep back."""

    id: str = "id"
    """Column of the question's id."""
    answer: str = "answer"
    """Column of the answer: a letter, or the text of an open question."""
    kind: str = "question_type"
    """Column that says whether a question is `multiple-choice` or `open`. Empty: all are choices."""
    group: str = ""
    """Column that names what pictures of several questions come from, such as a film. Empty: each question stands alone."""

    answers: str = ""
    """A JSON file with the answers to the questions whose own answer is `?`, those of the test files: by the question's id a
    record with `ground_truth`. Empty: such rows are refused."""


lines = published.table_lines


def rows(line: Line, fields: Fields, origin: Origin) -> Iterator[Row]:
    """Choice by letter, or an open question whose answer may be a list of equal ones.

    A picture stands at each of its marks, in the question and in the options; one that is named twice is given twice. One
    that no text names comes first.
    """
    kind = line.text(fields.kind) if fields.kind else "multiple-choice"
    if kind not in ("multiple-choice", "open"):
        raise line.error(fields.kind, f"must be multiple-choice or open, got {kind!r}")
    golds = _golds(line, fields, origin, several=kind == "open")
    texts = _list(line, "options") if kind == "multiple-choice" else []
    options = choices.lettered(line, "options", texts)
    if options and golds[0] not in options:
        raise line.error(fields.answer, f"{golds[0]!r} is none of the options {', '.join(options)}")
    question, options, images = _placed(line, line.text("question"), options)
    sample = Sample(
        id=line.text(fields.id),
        card=origin.card,
        split=origin.split,
        task="mcq" if options else "open_vqa",
        question=question,
        question_type="mcq" if options else answers.guess(golds[0], question=question),
        answer=golds[0],
        aliases=tuple(golds[1:]),
        options=options,
        group=line.text(fields.group or fields.id),
        modality=line.optional("modality"),
    )
    yield Row(sample=sample, images=images)


def _golds(line: Line, fields: Fields, origin: Origin, *, several: bool) -> list[str]:
    """The answers that count as right, the first one first."""
    answer = line.text(fields.answer)
    if answer != SECRET:
        return _list(line, fields.answer) if several and answer.startswith("[") else [answer]
    if not fields.answers:
        raise line.error(
            fields.answer, "is not public in the test files; use validation, or name a file of `answers`"
        )
    found = _known(origin.root / fields.answers).get(line.text(fields.id))
    given = found.get("ground_truth") if isinstance(found, Mapping) else None
    values = given if isinstance(given, list) else [given]
    golds = [text for value in values if (text := line.written(fields.answer, value))]
    if not golds:
        raise line.error(fields.id, f"{line.text(fields.id)!r} has no answer in {fields.answers}")
    return golds


@lru_cache(maxsize=4)
def _known(path: Path) -> Mapping[str, object]:
    if not path.is_file():
        raise MissingInput(f"{path}: no such file; the card says where the answers come from")
    found = read_json(path)
    if not isinstance(found, dict):
        raise DataError(f"{path}: must be a record of answers by the question's id")
    return found


def _placed(
    line: Line, question: str, options: Mapping[str, str]
) -> tuple[str, dict[str, str], tuple[Picture, ...]]:
    """The texts with their marks, and the pictures in the order in which they are read."""
    known = _images(line)
    named = [int(mark[1]) for text in (question, *options.values()) for mark in MARK.finditer(text)]
    for number in named:
        if not 0 < number <= len(known):
            raise line.error("question", f"<image {number}> stands for no image; the row has {len(known)}")
    unnamed = [number for number in range(1, len(known) + 1) if number not in named]
    question = IMAGE_MARK * len(unnamed) + MARK.sub(IMAGE_MARK, question)
    options = {letter: MARK.sub(IMAGE_MARK, text) for letter, text in options.items()}
    order = [*unnamed, *named]
    asked, answered = places.asked(line, "question", question, options, len(order))
    return asked, answered, tuple(known[number - 1] for number in order)


def _images(line: Line) -> tuple[Picture, ...]:
    """Images 1 to n. One that is missing between others would shift the numbers of the marks."""
    found = [pictures(line, column, line.file.parent) for column in COLUMNS]
    count = sum(bool(cell) for cell in found)
    if not all(found[:count]):
        raise line.error(COLUMNS[found.index(())], f"is empty, and {count} images are there")
    return tuple(cell[0] for cell in found[:count])


def _list(line: Line, field: str) -> list[str]:
    """A list of texts that was written as Python writes it; literals only, nothing is run."""
    if not isinstance(line.nested(field), list):
        raise line.error(field, "must be a written list of texts")
    found = line.texts(field)
    if not found:
        raise line.error(field, "must be a written list of texts")
    return found
