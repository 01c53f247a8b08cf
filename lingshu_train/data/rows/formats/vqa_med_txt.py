"""VQA-Med 2019: text lines `image|question|answer` or `image|category|question|answer`, and JPEGs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from lingshu_train.data.rows import answers, embedded, published
from lingshu_train.data.rows import row as rowlib
from lingshu_train.data.rows.line import Line
from lingshu_train.data.rows.row import Origin, Row
from lingshu_train.errors import DataError
from lingshu_train.record import Sample


class Fields(rowlib.SplitFiles):
    """Where the pictures lie."""

    images: dict[str, str]
    """For each split the folder of its picture files."""
    suffix: str = ".jpg"
    """What completes the picture names of the lines."""


def lines(fields: Fields, origin: Origin) -> Iterator[Line]:
    path = published.single(origin.root, fields.files[origin.split])
    with path.open("rb") as stream:
        for number, text in enumerate(stream, start=1):
            if text.strip():
                yield Line(file=path, number=number, record=number, prepared=text)


def rows(line: Line, fields: Fields, origin: Origin) -> Iterator[Row]:
    folder = fields.images.get(origin.split)
    if folder is None:
        raise DataError(
            f"data card {origin.card}: lingshu.fields.images: no folder for split {origin.split!r}"
        )
    line = _cells(line)
    question, answer = line.text("question"), line.text("answer")
    image = embedded.file(line, "image", origin.root / folder, name=f"{line.text('image')}{fields.suffix}")
    kind = answers.guess(answer, question=question)
    sample = Sample(
        id="",
        card=origin.card,
        split=origin.split,
        task="closed_vqa" if kind == "yes_no" else "open_vqa",
        question=question,
        question_type=kind,
        answer=answer,
        group=line.text("image"),
    )
    yield Row(sample=sample, images=(image,))


def _cells(line: Line) -> Line:
    """The fields between the bars of one line of text."""
    try:
        cells = line.given(bytes).decode("utf-8-sig").strip().split("|")
    except UnicodeDecodeError:
        raise line.error("text", "not UTF-8") from None
    if len(cells) not in (3, 4):
        raise line.error("text", f"must have 3 or 4 fields between bars, got {len(cells)}")
    return replace(line, values={"image": cells[0], "question": cells[-2], "answer": cells[-1]})
