"""MIMIC-CXR: `files/p10/p10000032/s50414267.txt` beside a folder of JPEGs named alike, splits in a CSV.

Or a JSON list as MedEvalKit has it, whose rows hold the report and name the films (`report_json`).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from lingshu_train.data.rows import published, report_text
from lingshu_train.data.rows import row as rowlib
from lingshu_train.data.rows.formats import report_json
from lingshu_train.data.rows.line import Line, whole_number
from lingshu_train.data.rows.row import Origin, Picture, Row, Skipped

DIGITS = 12
"""Of the numbers of a subject and a study; the publisher's have eight."""


class Fields(rowlib.TableFiles):
    """`files` are CSV files with dicom_id, study_id, subject_id and split."""

    reports: tuple[str, ...] = ("files", "mimic-cxr-reports/files")
    """The folder of the reports, in which they are parted by patient: the first of these that has the report is taken, since
    people unpack `mimic-cxr-reports.zip` beside the films or into a folder of its own."""
    images: str = "files"
    """The `files` folder of the JPEG project."""
    sections: Literal["findings", "both"] = "both"
    """What the model writes: the findings, or findings and impression."""


def lines(fields: Fields, origin: Origin) -> Iterator[Line]:
    """One line per study, at the place of its first film."""

    def study(line: Line) -> tuple[str, str] | None:
        part = line.text("split")
        wanted = {"validate": "validation"}.get(part, part) == origin.split
        return (line.text("subject_id"), line.text("study_id")) if wanted else None

    table = published.table_lines(fields, origin)
    if fields.files[origin.split].endswith(".json"):
        yield from table
        return
    yield from published.gathered(table, "dicom_id", key=study)


def rows(line: Line, fields: Fields, origin: Origin) -> Iterator[Row | Skipped]:
    """One study; skipped where the report lacks the wanted sections, which many do and which is no fault."""
    if line.prepared is None:
        yield from report_json.rows(
            line, report_json.Fields(files=fields.files, images=fields.images), origin
        )
        return
    subject, study = line.text("subject_id"), line.text("study_id")
    if None in (whole_number(subject, digits=DIGITS), whole_number(study, digits=DIGITS)):
        raise line.error("subject_id", f"subject and study must be numbers, got {subject!r} and {study!r}")
    place = Path(f"p{subject[:2]}", f"p{subject}", f"s{study}")
    places = [origin.root / folder / place.with_suffix(".txt") for folder in fields.reports]
    path = next((one for one in places if one.is_file()), places[0])
    if not path.is_file():
        raise line.error("study_id", f"report {path} is missing; unpack mimic-cxr-reports.zip")
    found = report_text.sections(published.whole(path))
    only = fields.sections == "findings"
    if not (found.findings if only else found.stated):
        yield report_text.NO_FINDINGS if only else report_text.NOTHING
        return
    folder = origin.root / fields.images / place
    yield Row(
        sample=report_text.sample(found, origin, id=f"s{study}", group=f"p{subject}", findings_only=only),
        images=tuple(
            Picture(name=f"{place}/{film}.jpg", path=folder / f"{film}.jpg")
            for film in line.given(published.Gathered).texts
        ),
    )
