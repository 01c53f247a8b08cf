"""Whose consent is recent, by a table of the user's: their rows come last in a stage's first epoch. No torch.

A withdrawal costs the steps after the first use of the rows (docs/forget.md), so that the first use alone counts: later epochs
are shuffled as they always are.
"""

from __future__ import annotations

import csv
import datetime
import io
from collections.abc import Iterator
from pathlib import Path

from pydantic import Field

from lingshu_train import naming
from lingshu_train.documents import read_text, there
from lingshu_train.errors import DataError, MissingInput
from lingshu_train.schema import Strict


class ConsentedLate(Strict):
    """Patients whose consent is recent come late: their rows are the last of the first epoch, so that `lingshu forget` has
    little to run again. It is part of the stage's name, with the content of the file."""

    file: str = Field(min_length=1)
    """A CSV file with a line for each consent; patients without one are not late. It has to stay as it was while the run is
    gone on with or asked to forget."""
    patient: str = "patient"
    """Its column of patients, named as `lingshu trace --patient` takes them: what a card calls the group."""
    date: str = "date"
    """Its column of dates, as 2026-01-31, with or without a time behind. Of several for one patient the latest counts."""
    since: datetime.date
    """Whose consent is of this day or later comes late. For example `2026-01-01`."""

    def __str__(self) -> str:
        return f"patients who consented since {self.since} ({self.file}) come last in the first epoch"

    def patients(self, where: str) -> frozenset[str]:
        """Who comes late. MissingInput (66): no such file; DataError (65) names the line that says no patient or no date."""
        path = self._path(where)
        latest: dict[str, datetime.date] = {}
        for patient, day in self._lines(path, where):
            latest[patient] = max(day, latest.get(patient, day))
        return frozenset(patient for patient, day in latest.items() if day >= self.since)

    def digest(self, where: str) -> str:
        """What is said, by content: who comes late follows from it alone. MissingInput (66): no such file, on this machine."""
        said = self.model_dump(mode="json", exclude={"file"})
        return naming.digest([said, naming.file_digest(self._path(where))])

    def _path(self, where: str) -> Path:
        path = Path(self.file)
        if not there(path):
            raise MissingInput(
                f"{where}.file: {path}: no such file; it is a CSV with the columns {self.patient} and {self.date}"
            )
        return path

    def _lines(self, path: Path, where: str) -> Iterator[tuple[str, datetime.date]]:
        lines = csv.DictReader(io.StringIO(read_text(path), newline=""), strict=True)
        try:
            for column in (self.patient, self.date):
                if column not in (lines.fieldnames or ()):
                    there = ", ".join(lines.fieldnames or ()) or "none"
                    raise DataError(f"{where}: {path}: no column {column!r}; it has: {there}")
            for line in lines:
                at = f"{path}:{lines.line_num}"
                patient, text = ((line[name] or "").strip() for name in (self.patient, self.date))
                if not patient:
                    raise DataError(f"{at}: {self.patient}: empty; every line names a patient")
                try:
                    yield patient, datetime.datetime.fromisoformat(text).date()
                except ValueError:
                    raise DataError(
                        f"{at}: {self.date}: {text!r} is no date; right would be 2026-01-31"
                    ) from None
        except csv.Error as fault:
            raise DataError(f"{path}:{lines.line_num}: no CSV: {fault}") from None
