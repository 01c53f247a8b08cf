"""Report lists of MedEvalKit: JSON with `image` (one or several), `findings` and `impression` per row."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lingshu_train.data import report_text, tables
from lingshu_train.data import row as rowlib
from lingshu_train.data.card import Card
from lingshu_train.data.embedded import pictures
from lingshu_train.data.row import Origin, Row
from lingshu_train.data.tables import Line


class Fields(rowlib.SplitFiles):
    """`images` is the folder of the image files."""

    images: str = "images"


def rows(card: Card, root: Path, *, split: str) -> Iterator[Row]:
    """The examinations of a split, in file order. A bad row: DataError with file, line and field."""
    fields = rowlib.fields(Fields, card, split=split)
    origin = Origin(card=card.name, split=split, root=root)
    for line in tables.read(root, fields.files[split]):
        yield row(line, fields, origin)


def row(line: Line, fields: Fields, origin: Origin) -> Row:
    images = pictures(line, "image", origin.root / fields.images)
    if not images:
        raise line.error("image", "needs at least one image file name")
    sections = report_text.Sections(
        findings=line.optional("findings"), impression=line.optional("impression")
    )
    if not sections.stated:
        raise line.error("findings", "is empty, and so is impression: nothing to write")
    name = line.optional("id") or line.id
    return Row(sample=report_text.sample(sections, origin, id=name, group=name), images=images)
