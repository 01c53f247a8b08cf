"""MIMIC-CXR: `files/p10/p10000032/s50414267.txt` beside a folder of JPEGs named alike, splits in a CSV."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from lingshu_train.data import report_text, tables
from lingshu_train.data import row as rowlib
from lingshu_train.data.card import Card
from lingshu_train.data.row import Origin, Picture, Row
from lingshu_train.errors import DataError


class Fields(rowlib.SplitFiles):
    """`files`: split -> CSV with dicom_id, study_id, subject_id, split. `sections`: what the model writes.

    `reports` and `images` are the `files` folders of the report project and of the JPEG project.
    """

    reports: str = "files"
    images: str = "files"
    sections: Literal["findings", "both"] = "both"


def rows(card: Card, root: Path, *, split: str) -> Iterator[Row]:
    """The studies of a split that have the wanted sections, in the CSV's order. No report file: DataError."""
    fields = rowlib.fields(Fields, card, split=split)
    origin = Origin(card=card.name, split=split, root=root)
    studies: dict[tuple[str, str], list[str]] = {}
    for line in tables.read(root, fields.files[split]):
        part = line.text("split")
        if {"validate": "validation"}.get(part, part) == split:
            studies.setdefault((line.text("subject_id"), line.text("study_id")), []).append(
                line.text("dicom_id")
            )
    for (subject, study), dicoms in studies.items():
        found = row(subject, study, dicoms, fields, origin)
        if found is not None:
            yield found


def row(subject: str, study: str, dicoms: list[str], fields: Fields, origin: Origin) -> Row | None:
    """One study; None where the report lacks the wanted sections, which many do and which is no fault."""
    place = Path(f"p{subject[:2]}", f"p{subject}", f"s{study}")
    path = origin.root / fields.reports / place.with_suffix(".txt")
    if not path.is_file():
        raise DataError(f"{path}: report of study {study} is missing; unpack mimic-cxr-reports.zip")
    found = report_text.sections(path.read_text(encoding="utf-8"))
    only = fields.sections == "findings"
    if not (found.findings if only else found.stated):
        return None
    folder = origin.root / fields.images / place
    return Row(
        sample=report_text.sample(found, origin, id=f"s{study}", group=f"p{subject}", findings_only=only),
        images=tuple(Picture(name=f"{place}/{name}.jpg", path=folder / f"{name}.jpg") for name in dicoms),
    )
