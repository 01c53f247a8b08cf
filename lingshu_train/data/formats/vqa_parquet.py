"""VQA-RAD, PathVQA, Kvasir-VQA: Parquet files with the image's bytes, a question and an answer per row."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from lingshu_train.data import row as rowlib
from lingshu_train.data import tables
from lingshu_train.data.card import Card
from lingshu_train.data.embedded import pictures
from lingshu_train.data.row import Origin, Row
from lingshu_train.data.tables import Line
from lingshu_train.record import Sample


class Fields(rowlib.SplitFiles):
    """Column names. Empty `group`: rows that share image bytes form a group."""

    image: str = "image"
    question: str = "question"
    answer: str = "answer"
    group: str = ""


def rows(card: Card, root: Path, *, split: str) -> Iterator[Row]:
    """The rows of a split, in file order. A bad row: DataError with file, row and field."""
    fields = rowlib.fields(Fields, card, split=split)
    origin = Origin(card=card.name, split=split, root=root)
    for line in tables.read(root, fields.files[split]):
        yield row(line, fields, origin)


def row(line: Line, fields: Fields, origin: Origin) -> Row:
    answer, images = line.text(fields.answer), pictures(line, fields.image, origin.root)
    if len(images) != 1:
        raise line.error(fields.image, f"must be one image, got {len(images)}")
    kind = rowlib.answer_type(answer)
    sample = Sample(
        id=line.id,
        card=origin.card,
        split=origin.split,
        task="closed_vqa" if kind == "yes_no" else "open_vqa",
        question=line.text(fields.question),
        question_type=kind,
        answer=answer,
        group=line.text(fields.group) if fields.group else hashlib.sha256(images[0].data).hexdigest()[:16],
    )
    return Row(sample=sample, images=images)
