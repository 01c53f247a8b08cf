"""CheXpert Plus: `df_chexpert_plus_240401.csv`, one film per row with its report's sections, and PNG files.

`path_to_image` reads `train/patient00001/study1/view1_frontal.jpg`; the pictures have that path and end in `.png`.
Or a JSON list as MedEvalKit has it, whose rows hold the report and name the film (`report_json`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Literal

from pydantic import Field

from lingshu_train.data.rows import embedded, published, report_text
from lingshu_train.data.rows import row as rowlib
from lingshu_train.data.rows.formats import report_json
from lingshu_train.data.rows.line import Line
from lingshu_train.data.rows.row import Origin, Row, Skipped


class Fields(rowlib.TableFiles):
    """What a study is, and where its films lie."""

    parts: dict[str, str] = Field(default_factory=dict)
    """Which value of the CSV's `split` column each split has."""
    images: tuple[str, ...] = ("PNG/PNG", "PNG", "PNGs", ".")
    """Folders in one of which the picture files lie, as people unpack the archives: the first that has a row's first
    film is taken."""
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
    if fields.files[origin.split].endswith(".json"):
        yield from table
        return
    yield from published.gathered(table, "path_to_image", key=unit)


def rows(line: Line, fields: Fields, origin: Origin) -> Iterator[Row | Skipped]:
    """One report to write; skipped where neither section is stated, which is no fault."""
    if line.prepared is None:
        kit = report_json.Fields(files=fields.files, images=fields.images[0])
        yield from report_json.rows(line, kit, origin)
        return
    found = report_text.Sections(
        findings=_folded(line, "section_findings"), impression=_folded(line, "section_impression")
    )
    if not found.stated:
        yield report_text.NOTHING
        return
    names = [PurePosixPath(film).with_suffix(fields.suffix) for film in line.given(published.Gathered).texts]
    folder = _folder(line, str(names[0]), [origin.root / place for place in fields.images])
    images = tuple(embedded.file(line, "path_to_image", folder, name=str(name)) for name in names)
    study = names[0].parent
    id = str(study if fields.each == "study" else names[0].with_suffix(""))
    yield Row(sample=report_text.sample(found, origin, id=id, group=study.parent.name), images=images)


def _folder(line: Line, film: str, places: Sequence[Path]) -> Path:
    """The first of the places that has the film; the first of all where none has."""
    there = (
        place
        for place in places
        if embedded.file(line, "path_to_image", place, name=film, strictly=True).exists()
    )
    return next(there, places[0])


def _folded(line: Line, field: str) -> str:
    return " ".join(line.optional(field).split())
