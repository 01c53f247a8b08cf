"""MedICaT: JSON lines with a figure's legend, and the figures as `<pdf_hash>_<fig_uri>` in one folder."""

from __future__ import annotations

from collections.abc import Iterator

from lingshu_train.data.rows import embedded, published
from lingshu_train.data.rows import row as rowlib
from lingshu_train.data.rows.line import Line
from lingshu_train.data.rows.row import Origin, Row


class Fields(rowlib.Captions):
    """Which figures are taken."""

    images: str = "figures"
    """Folder of the figures."""
    radiology: bool = False
    """Take only figures that the publisher's classifier calls radiology."""


lines = published.table_lines


def rows(line: Line, fields: Fields, origin: Origin) -> Iterator[Row]:
    """The figure with its legend, that of S2ORC where the first is empty."""
    if fields.radiology and line.values.get("radiology") is not True:
        return
    article, figure = line.text("pdf_hash"), line.text("fig_uri")
    image = embedded.file(line, "fig_uri", origin.root / fields.images, name=f"{article}_{figure}")
    legend = line.optional("s2_caption") or line.optional("s2orc_caption")
    if not legend:
        raise line.error("s2_caption", "is empty, and so is s2orc_caption")
    name = f"{article}_{line.text('fig_key')}"
    sample = rowlib.caption(fields, origin, text=legend, group=article, id=name)
    yield Row(sample=sample, images=(image,))
