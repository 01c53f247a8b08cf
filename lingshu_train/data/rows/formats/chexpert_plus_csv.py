"""CheXpert Plus: `df_chexpert_plus_240401.csv`, one film per row with its report's sections, and PNG files.

`path_to_image` reads `train/patient00001/study1/view1_frontal.jpg`; the pictures have that path and end in `.png`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Literal

from lingshu_train.data.rows import embedded, published, report_text
from lingshu_train.data.rows import row as rowlib
from lingshu_train.data.rows.line import Line
from lingshu_train.data.rows.row import Origin, Row


class Fields(rowlib.TableFiles):
    """What a study is, and where its films lie."""

    parts: dict[str, str]
    """Which value of the CSV's `split` column each split has."""
    images: str = "PNG"
    """Folder of the picture files."""
    suffix: str = ".png"
    """What their names end in."""
    each: Literal["study", "film"] = "study"
    """Make a row of each study or of each film."""


def lines(fields: Fields, origin: Origin) -> Iterator[Line]:
    """One line per study, at the place of its first film, or one per film."""

    def unit(line: Line) -> PurePosixPath | None:
        film = PurePosixPath(line.text("path_to_image"))
        if line.text("split") != fields.parts.get(origin.split, origin.split):
            return None
        return film.parent if fields.each == "study" else film

    table = published.table_lines(fields, origin)
    yield from published.gathered(table, "path_to_image", key=unit)


def rows(line: Line, fields: Fields, origin: Origin) -> Iterator[Row]:
    """One report to write; none where neither section is stated, which is no fault."""
    found = report_text.Sections(
        findings=_folded(line, "section_findings"), impression=_folded(line, "section_impression")
    )
    if not found.stated:
        return
    names = [PurePosixPath(film).with_suffix(fields.suffix) for film in line.given(published.Gathered).texts]
    folder = origin.root / fields.images
    images = tuple(embedded.file(line, "path_to_image", folder, name=str(name)) for name in names)
    study = names[0].parent
    id = str(study if fields.each == "study" else names[0].with_suffix(""))
    yield Row(sample=report_text.sample(found, origin, id=id, group=study.parent.name), images=images)


def _folded(line: Line, field: str) -> str:
    return " ".join(line.optional(field).split())
