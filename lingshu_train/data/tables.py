"""Reads JSON, JSON lines, CSV and Parquet files row by row, and knows the file and line of every value."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as parquet

from lingshu_train.errors import DataError, MissingInput


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One row. `number` is the line in a text file, or the row in a Parquet file; both start at 1."""

    file: Path
    number: int
    values: Mapping[str, Any]

    @property
    def where(self) -> str:
        return f"{self.file}:{self.number}"

    @property
    def id(self) -> str:
        """A name for rows that carry none: file stem and line."""
        return f"{self.file.stem}-{self.number}"

    def text(self, field: str) -> str:
        """A field that must hold text (numbers are written out). Absent or blank: DataError."""
        value = self.optional(field)
        if not value:
            raise self.error(
                field, "is empty" if field in self.values else f"is missing; the row has: {self._known()}"
            )
        return value

    def optional(self, field: str) -> str:
        """A field's text without surrounding space, empty where absent. Not text or number: DataError."""
        value = self.values.get(field)
        if value is None:
            return ""
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise self.error(field, f"must be text, got {type(value).__name__}")
        return str(value).strip()

    def error(self, field: str, fault: str) -> DataError:
        return DataError(f"{self.where}: {field}: {fault}")

    def inside(self, field: str) -> Line:
        """The row that a field holds (a nested record), at the same place."""
        value = self.values.get(field)
        if not isinstance(value, Mapping):
            raise self.error(field, "must be a record")
        return Line(file=self.file, number=self.number, values=value)

    def _known(self) -> str:
        return ", ".join(sorted(self.values)) or "nothing"


def read(root: Path, pattern: str) -> Iterator[Line]:
    """Every row of the files below `root` that match `pattern` (`*` and one `{a,b}` group), files by name."""
    files = sorted({path for choice in _choices(pattern) for path in root.glob(choice) if path.is_file()})
    if not files:
        raise MissingInput(
            f"{root}: no file matches {pattern!r}; fetch the card's data, or correct `files` in the card"
        )
    for path in files:
        reader = _READERS.get(path.suffix)
        if reader is None:
            raise DataError(
                f"{path}: cannot read {path.suffix or 'a file without suffix'}; can: {', '.join(_READERS)}"
            )
        for number, values in reader(path):
            if not isinstance(values, dict):
                raise DataError(f"{path}:{number}: a row must be a record, got {type(values).__name__}")
            yield Line(file=path, number=number, values=values)


def _choices(pattern: str) -> list[str]:
    group = re.search(r"\{([^{}]*)\}", pattern)
    if group is None:
        return [pattern]
    return [pattern[: group.start()] + choice + pattern[group.end() :] for choice in group[1].split(",")]


def _json(path: Path) -> Iterator[tuple[int, Any]]:
    """An array, decoded one element at a time: the text is held once, the objects one by one."""
    text, decoder, space = _text(path), json.JSONDecoder(), re.compile(r"[\s,]*")
    start = _skip(space, text, 0)
    if text[start : start + 1] != "[":
        raise DataError(f"{path}:1: must be a JSON array of records")
    place, number, counted = _skip(space, text, start + 1), 1, 0
    while text[place : place + 1] != "]":
        number, counted = number + text.count("\n", counted, place), place
        try:
            values, end = decoder.raw_decode(text, place)
        except json.JSONDecodeError as fault:
            raise DataError(f"{path}:{fault.lineno}: not JSON: {fault.msg}") from None
        yield number, values
        place = _skip(space, text, end)


def _skip(space: re.Pattern[str], text: str, place: int) -> int:
    found = space.match(text, place)
    return found.end() if found else place


def _json_lines(path: Path) -> Iterator[tuple[int, Any]]:
    with path.open(encoding="utf-8-sig") as stream:
        for number, line in enumerate(stream, start=1):
            if line.strip():
                try:
                    yield number, json.loads(line)
                except json.JSONDecodeError as fault:
                    raise DataError(f"{path}:{number}: not JSON: {fault.msg}") from None


def _csv(path: Path) -> Iterator[tuple[int, Any]]:
    with path.open(encoding="utf-8-sig", newline="") as stream:
        reader = csv.DictReader(stream, restkey="")
        for values in reader:
            if "" in values and isinstance(values[""], list):
                raise DataError(
                    f"{path}:{reader.line_num}: more cells than the header's {len(reader.fieldnames or ())}"
                )
            yield reader.line_num, dict(values)


def _parquet(path: Path) -> Iterator[tuple[int, Any]]:
    with parquet.ParquetFile(path) as file:
        number = 0
        for batch in file.iter_batches(batch_size=64):
            for values in batch.to_pylist():
                number += 1
                yield number, values


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as fault:
        raise DataError(f"{path}: not UTF-8 at byte {fault.start}") from None


_READERS = {".json": _json, ".jsonl": _json_lines, ".csv": _csv, ".parquet": _parquet}
