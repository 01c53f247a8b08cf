"""MIMIC-CXR: `files/p10/p10000032/s50414267.txt` beside a folder of JPEGs named alike, splits in a CSV."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from lingshu_train.data.rows import published, report_text
from lingshu_train.data.rows import row as rowlib
from lingshu_train.data.rows.line import Line, whole_number
from lingshu_train.data.rows.row import Origin, Picture, Row

DIGITS = 12
"""Of the numbers of a subject and a study; the publisher's have eight."""


class Fields(rowlib.TableFiles):
    """`files` are CSV files with dicom_id, study_id, subject_id and split."""

    reports: str = "files"
    """The `files` folder of the report project."""
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
    yield from published.gathered(table, "dicom_id", key=study)


def rows(line: Line, fields: Fields, origin: Origin) -> Iterator[Row]:
    """One study; none where the report lacks the wanted sections, which many do and which is no fault."""
    subject, study = line.text("subject_id"), line.text("study_id")
    if None in (whole_number(subject, digits=DIGITS), whole_number(study, digits=DIGITS)):
        raise line.error("subject_id", f"subject and study must be numbers, got {subject!r} and {study!r}")
    place = Path(f"p{subject[:2]}", f"p{subject}", f"s{study}")
    path = origin.root / fields.reports / place.with_suffix(".txt")
    if not path.is_file():
        raise line.error("study_id", f"report {path} is missing; unpack mimic-cxr-reports.zip")
    found = report_text.sections(published.whole(path))
    only = fields.sections == "findings"
    if not (found.findings if only else found.stated):
        return
    folder = origin.root / fields.images / place
    yield Row(
        sample=report_text.sample(found, origin, id=f"s{study}", group=f"p{subject}", findings_only=only),
        images=tuple(
            Picture(name=f"{place}/{film}.jpg", path=folder / f"{film}.jpg")
            for film in line.given(published.Gathered).texts
        ),
    )
