"""MedPix 2.0: JSON of descriptions, one picture each, its caption and place inside `Description`."""

from __future__ import annotations

from collections.abc import Iterator

from lingshu_train.data.rows import embedded, published
from lingshu_train.data.rows import row as rowlib
from lingshu_train.data.rows.line import Line
from lingshu_train.data.rows.row import Origin, Row, Skipped

MODALITIES = {"CT": "ct", "MR": "mri"}


class Fields(rowlib.Captions):
    """Which rows have a caption."""

    images: str = "images"
    """Folder of the PNG files."""
    blank: tuple[str, ...] = ()
    """Beginnings of captions that stand where there is none yet; such rows are left out and counted."""


lines = published.table_lines


def rows(line: Line, fields: Fields, origin: Origin) -> Iterator[Row | Skipped]:
    """A picture with its caption; none where the caption is one of the archive's placeholders."""
    name, case = line.text("image"), line.text("U_id")
    image = embedded.file(line, "image", origin.root / fields.images, name=f"{name}.png")
    modality = MODALITIES.get(line.text("Type"))
    if modality is None:
        raise line.error("Type", f"must be one of {', '.join(MODALITIES)}, got {line.text('Type')!r}")
    caption = line.inside("Description").text("Caption")
    if caption.casefold().startswith(tuple(text.casefold() for text in fields.blank)):
        yield Skipped("no caption")
        return
    sample = rowlib.caption(fields, origin, text=caption, group=case, id=name, modality=modality)
    yield Row(sample=sample, images=(image,))
