"""Captions: one image and its caption per row, a file name or bytes (PMC-OA, ROCO, ROCOv2)."""

from __future__ import annotations

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
    """Column names; `images` is the folder that file names start from; `prompt` asks for the caption."""

    images: str = "."
    image: str = "image"
    caption: str = "caption"
    prompt: str = "Describe this image."


def rows(card: Card, root: Path, *, split: str) -> Iterator[Row]:
    """The rows of a split, in file order. A bad row: DataError with file, line and field."""
    fields = rowlib.fields(Fields, card, split=split)
    origin = Origin(card=card.name, split=split, root=root)
    for line in tables.read(root, fields.files[split]):
        yield row(line, fields, origin)


def row(line: Line, fields: Fields, origin: Origin) -> Row:
    images = pictures(line, fields.image, origin.root / fields.images)
    if len(images) != 1:
        raise line.error(fields.image, f"must be one image, got {len(images)}")
    sample = Sample(
        id=line.optional("image_id") or line.id,
        card=origin.card,
        split=origin.split,
        task="caption",
        question=fields.prompt,
        question_type="free",
        answer=line.text(fields.caption),
        group=images[0].name,
    )
    return Row(sample=sample, images=images)
