"""One row of a publisher's file before it is understood: its values, and the file and line that errors name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from lingshu_train.errors import DataError


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One row. `number` is the line in a text file, or the row in a Parquet file; both start at 1.

    `record` counts the file's rows from 1 (several may stand in one line). `fault`: why it could not be read.
    """

    file: Path
    number: int
    record: int
    values: Mapping[str, Any] = field(default_factory=dict)
    fault: str = ""

    @property
    def where(self) -> str:
        return f"{self.file}:{self.number}"

    def sound(self) -> Line:
        """The line itself. DataError where it could not be read."""
        if self.fault:
            raise DataError(f"{self.where}: {self.fault}")
        return self

    def text(self, field: str) -> str:
        """A field that must hold text (numbers are written out). Absent or blank: DataError."""
        value = self.optional(field)
        if not value:
            raise self.absent(field)
        return value

    def absent(self, field: str) -> DataError:
        """The error of a field that must hold something and does not."""
        known = ", ".join(sorted(self.values)) or "nothing"
        return self.error(field, "is empty" if field in self.values else f"is missing; the row has: {known}")

    def optional(self, field: str) -> str:
        """A field's text without surrounding space, empty where absent. Not text or number: DataError."""
        value = self.values.get(field)
        if value is None or value != value:  # Tables written by pandas hold not-a-number where nothing is.
            return ""
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise self.error(field, f"must be text, got {type(value).__name__}")
        return str(value).strip()

    def error(self, field: str, fault: str) -> DataError:
        return DataError(f"{self.where}: {field}: {fault}")

    @contextmanager
    def naming(self, field: str) -> Iterator[None]:
        """What a file that `field` names gets wrong is an error of this row as well."""
        try:
            yield
        except DataError as fault:
            raise self.error(field, str(fault).removeprefix(f"{self.file}: ")) from None

    def inside(self, field: str) -> Line:
        """The row that a field holds (a nested record), at the same place."""
        value = self.values.get(field)
        if not isinstance(value, Mapping):
            raise self.error(field, "must be a record")
        return replace(self, values=value)
