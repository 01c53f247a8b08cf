"""Report lists of MedEvalKit: JSON with `image` (one or several), `findings` and `impression` per row."""

from __future__ import annotations

from collections.abc import Iterator

from lingshu_train.data.rows import published, report_text
from lingshu_train.data.rows import row as rowlib
from lingshu_train.data.rows.embedded import pictures
from lingshu_train.data.rows.line import Line
from lingshu_train.data.rows.row import Origin, Row


class Fields(rowlib.TableFiles):
    """Where the pictures lie."""

    images: str = "images"
    """Folder of the picture files."""


lines = published.table_lines


def rows(line: Line, fields: Fields, origin: Origin) -> Iterator[Row]:
    images = pictures(line, "image", origin.root / fields.images)
    if not images:
        raise line.error("image", "needs at least one image file name")
    sections = report_text.Sections(
        findings=line.optional("findings"), impression=line.optional("impression")
    )
    if not sections.stated:
        raise line.error("findings", "is empty, and so is impression: nothing to write")
    name = line.optional("id")
    yield Row(
        sample=report_text.sample(sections, origin, id=name, group=name or images[0].name), images=images
    )
