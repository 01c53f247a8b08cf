"""MIMIC-CXR: `files/p10/p10000032/s50414267.txt` beside a folder of JPEGs named alike, splits in a CSV."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

from lingshu_train.data import report_text, tables
from lingshu_train.data import row as rowlib
from lingshu_train.data.row import Origin, Picture, Row
from lingshu_train.data.tables import Line
from lingshu_train.errors import DataError


class Fields(rowlib.SplitFiles):
    """`files`: split -> CSV with dicom_id, study_id, subject_id, split. `sections`: what the model writes.

    `reports` and `images` are the `files` folders of the report project and of the JPEG project.
    """

    reports: str = "files"
    images: str = "files"
    sections: Literal["findings", "both"] = "both"


def lines(fields: Fields, origin: Origin) -> Iterator[Line]:
    """One line per study, at the place of its first film; a film's bad line stands for itself."""
    studies: dict[tuple[str, str], tuple[Line, list[str]]] = {}
    for line in tables.read(origin.root, fields.files[origin.split]):
        try:
            part, key = line.sound().text("split"), (line.text("subject_id"), line.text("study_id"))
            film = line.text("dicom_id")
        except DataError:
            yield line  # `rows` reads the same fields again, and says what is wrong with them.
            continue
        if {"validate": "validation"}.get(part, part) == origin.split:
            studies.setdefault(key, (line, []))[1].append(film)
    for line, films in studies.values():
        yield replace(line, values={**line.values, "films": films})


def rows(line: Line, fields: Fields, origin: Origin) -> Iterator[Row]:
    """One study; none where the report lacks the wanted sections, which many do and which is no fault."""
    for column in ("split", "dicom_id"):
        line.text(column)
    subject, study = line.text("subject_id"), line.text("study_id")
    place = Path(f"p{subject[:2]}", f"p{subject}", f"s{study}")
    path = origin.root / fields.reports / place.with_suffix(".txt")
    if not path.is_file():
        raise line.error("study_id", f"report {path} is missing; unpack mimic-cxr-reports.zip")
    found = report_text.sections(tables.whole(path))
    only = fields.sections == "findings"
    if not (found.findings if only else found.stated):
        return
    folder = origin.root / fields.images / place
    yield Row(
        sample=report_text.sample(found, origin, id=f"s{study}", group=f"p{subject}", findings_only=only),
        images=tuple(
            Picture(name=f"{place}/{film}.jpg", path=folder / f"{film}.jpg") for film in line.values["films"]
        ),
    )
