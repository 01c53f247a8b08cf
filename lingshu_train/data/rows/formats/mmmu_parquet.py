"""MMMU: Parquet with up to seven images per row, `<image 1>` marks in the text, options as a written list."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lingshu_train.data.rows import answers, choices, published
from lingshu_train.data.rows import row as rowlib
from lingshu_train.data.rows.embedded import pictures
from lingshu_train.data.rows.line import Line
from lingshu_train.data.rows.row import Origin, Picture, Row
from lingshu_train.record import Sample

MARK = re.compile(r"<image ([0-9])>")
COLUMNS = tuple(f"image_{number}" for number in range(1, 8))
SECRET = "?"
"""What stands for an answer that the publisher keeps."""


class Fields(rowlib.TableFiles):
    """The answers of the test files are not public: only `dev` and `validation` can be read."""


lines = published.table_lines


def rows(line: Line, fields: Fields, origin: Origin) -> Iterator[Row]:
    """Choice by letter, or an open question whose answer may be a list of equal ones. Marks become words."""
    answer, kind = line.text("answer"), line.text("question_type")
    if answer == SECRET:
        raise line.error("answer", "is not public for the test split; use validation")
    if kind not in ("multiple-choice", "open"):
        raise line.error("question_type", f"must be multiple-choice or open, got {kind!r}")
    images = _images(line)
    question = _words(line, "question", line.text("question"), len(images))
    texts = _list(line, "options") if kind == "multiple-choice" else []
    options = choices.lettered(line, "options", texts)
    golds = _list(line, "answer") if kind == "open" and answer.startswith("[") else [answer]
    if options and answer not in options:
        raise line.error("answer", f"{answer!r} is none of the options {', '.join(options)}")
    sample = Sample(
        id=line.text("id"),
        card=origin.card,
        split=origin.split,
        task="mcq" if options else "open_vqa",
        question=question,
        question_type="mcq" if options else answers.guess(golds[0], question=question),
        answer=golds[0],
        aliases=tuple(golds[1:]),
        options={letter: _words(line, "options", text, len(images)) for letter, text in options.items()},
        group=line.text("id"),
    )
    yield Row(sample=sample, images=images)


def _images(line: Line) -> tuple[Picture, ...]:
    """Images 1 to n. One that is missing between others would shift the numbers of the marks."""
    found = [pictures(line, column, line.file.parent) for column in COLUMNS]
    count = sum(bool(cell) for cell in found)
    if not all(found[:count]):
        raise line.error(COLUMNS[found.index(())], f"is empty, and {count} images are there")
    return tuple(cell[0] for cell in found[:count])


def _words(line: Line, field: str, text: str, count: int) -> str:
    for mark in MARK.finditer(text):
        if int(mark[1]) > count:
            raise line.error(field, f"{mark[0]} stands for no image; the row has {count}")
    return MARK.sub(lambda mark: f"(image {mark[1]})", text)


def _list(line: Line, field: str) -> list[str]:
    """A list of texts that was written as Python writes it; literals only, nothing is run."""
    if not isinstance(line.nested(field), list):
        raise line.error(field, "must be a written list of texts")
    found = line.texts(field)
    if not found:
        raise line.error(field, "must be a written list of texts")
    return found
