"""Captions: one image and its caption per row, a file name or bytes (PMC-OA, ROCO, ROCOv2)."""

from __future__ import annotations

from collections.abc import Iterator

from lingshu_train.data.rows import published
from lingshu_train.data.rows import row as rowlib
from lingshu_train.data.rows.embedded import picture
from lingshu_train.data.rows.line import Line
from lingshu_train.data.rows.row import Origin, Row


class Fields(rowlib.Captions):
    """Names of columns."""

    image: str = "image"
    """Column of the picture: a file name or bytes."""
    caption: str = "caption"
    """Column of the caption."""

    def columns(self) -> dict[str, rowlib.Content]:
        return {self.image: "image", self.caption: "text"}


lines = published.table_lines


def rows(line: Line, fields: Fields, origin: Origin) -> Iterator[Row]:
    image = picture(line, fields.image, origin.root / fields.images)
    sample = rowlib.caption(
        fields, origin, text=line.text(fields.caption), group=image.name, id=line.optional("image_id")
    )
    yield Row(sample=sample, images=(image,))
