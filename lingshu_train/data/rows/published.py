"""A publisher's files: which there are, and the rows of JSON, JSON lines, CSV and Parquet, each with its file and line."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from lingshu_train.data.cards import patterns
from lingshu_train.data.rows.line import Line
from lingshu_train.data.rows.row import Origin, SplitFiles
from lingshu_train.errors import DataError, MissingInput

if TYPE_CHECKING:
    from pyarrow import RecordBatch
    from pyarrow.parquet import RowGroupMetaData

BOM = b"\xef\xbb\xbf"
ROWS_AT_ONCE = 64
"""Rows of Parquet decoded together: a call of Arrow costs as much as decoding some of text, and they may hold pictures."""
BYTES_AT_ONCE = 2**28
"""What rows decoded together may take, were each to hold all of its row group."""


class Fault(str):
    """Stands for a row that cannot be read, and says why."""

    __slots__ = ()


def table_lines(fields: SplitFiles, origin: Origin) -> Iterator[Line]:
    """The `lines` of a layout whose files are tables: every row of the split's files."""
    yield from read(origin.root, fields.files[origin.split])


def file_lines(fields: SplitFiles, origin: Origin) -> Iterator[Line]:
    """The `lines` of a layout in which every file of the split is a row."""
    yield from files(origin.root, fields.files[origin.split])


def files(root: Path, pattern: str) -> Iterator[Line]:
    """A line without values for every file below `root` that matches `pattern`, for files that are rows."""
    for path in matching(root, pattern):
        yield Line(file=path, number=1, record=1)


def matching(root: Path, pattern: str) -> list[Path]:
    """The files below `root` that match `pattern` (`*` and one `{a,b}` group), by name. None: MissingInput."""
    found = sorted(set(patterns.files(root, pattern)))
    if not found:
        raise MissingInput(
            f"{root}: no file matches {pattern!r}; fetch the card's data, or correct `files` in the card"
        )
    return found


def read(root: Path, pattern: str, *, lists: str = "") -> Iterator[Line]:
    """Every row of the files below `root` that match `pattern` (`*` and one `{a,b}` group), files by name.

    JSON that does not parse, or Parquet, is an error of the whole file; of JSON lines and CSV, only of the row.
    `lists`: the field that holds a row which is a list, where a data set has such rows.
    """
    for path in matching(root, pattern):
        reader = _READERS.get(path.suffix)
        if reader is None:
            raise DataError(
                f"{path}: cannot read {path.suffix or 'a file without suffix'}; can: {', '.join(_READERS)}"
            )
        for record, (number, values) in enumerate(reader(path), start=1):
            line = Line(file=path, number=number, record=record)
            if isinstance(values, dict):
                yield replace(line, values=values)
            elif lists and isinstance(values, list):
                yield replace(line, values={lists: values})
            elif isinstance(values, Fault):
                yield replace(line, fault=values)
            else:
                yield replace(line, fault=f"a row must be a record, got {type(values).__name__}")


def listed(root: Path, name: str) -> frozenset[str]:
    """The lines of a text file that lists names, one a line. No such file: MissingInput."""
    (path, *_) = matching(root, name)
    return frozenset(text.strip() for text in whole(path).splitlines() if text.strip())


@dataclass(frozen=True, slots=True)
class Gathered:
    """What several lines hold in one field, in their order."""

    texts: tuple[str, ...]


def gathered(lines: Iterable[Line], field: str, *, key: Callable[[Line], Hashable | None]) -> Iterator[Line]:
    """One line for all that share a key, at the place of the first, with their texts of `field` (Gathered).

    Lines whose key is None are left out. A bad line comes first, alone, with its fault.
    """
    found: dict[Hashable, tuple[Line, list[str]]] = {}
    for line in lines:
        try:
            shared = key(line.sound())
            if shared is not None:
                found.setdefault(shared, (line, []))[1].append(line.text(field))
        except DataError as fault:
            yield line.faulty(fault)
    for line, texts in found.values():
        yield replace(line, prepared=Gathered(tuple(texts)))


def _json(path: Path) -> Iterator[tuple[int, object]]:
    """An array, decoded one element at a time: the text is held once, the objects one by one."""
    text, decoder, space = whole(path), json.JSONDecoder(), re.compile(r"[\s,]*")
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
        except (ValueError, RecursionError) as fault:
            raise DataError(f"{path}:{number}: not JSON: {fault}") from None
        yield number, _paired(values) if "\\u" in text[place:end] else values
        place = _skip(space, text, end)


def _skip(space: re.Pattern[str], text: str, place: int) -> int:
    found = space.match(text, place)
    return found.end() if found else place


def _json_lines(path: Path) -> Iterator[tuple[int, object]]:
    with path.open("rb") as stream:
        for number, line in enumerate(stream, start=1):
            if line.strip():
                try:
                    values = json.loads(line.removeprefix(BOM) if number == 1 else line)
                    yield number, _paired(values) if b"\\u" in line else values
                except UnicodeDecodeError as fault:
                    yield number, Fault(f"not UTF-8 at byte {fault.start} of the line")
                except (ValueError, RecursionError) as fault:
                    yield number, Fault(f"not JSON: {getattr(fault, 'msg', fault)}")


def _paired(values: object) -> object:
    """The values, unless an escape in them is half of a character, which no file could hold afterwards."""
    try:
        json.dumps(values, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return Fault("holds half a character: an escape from \\ud800 to \\udfff without its partner")
    return values


def _csv(path: Path) -> Iterator[tuple[int, object]]:
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as stream:
        reader = csv.reader(stream)
        head = next(reader, [])
        while True:
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as fault:
                yield reader.line_num, Fault(f"not CSV: {fault}")
                continue
            if cells:
                yield reader.line_num, _cells(head, cells)


def _cells(head: list[str], cells: list[str]) -> dict[str, str] | Fault:
    if len(cells) != len(head):
        return Fault(f"{len(cells)} cells, the header has {len(head)}")
    if any("\udc80" <= character <= "\udcff" for cell in cells if not cell.isascii() for character in cell):
        return Fault("not UTF-8")
    return dict(zip(head, cells, strict=True))


def _parquet(path: Path) -> Iterator[tuple[int, object]]:
    import pyarrow as arrow  # Here, because listing and planning cards must not wait for it.
    import pyarrow.parquet as parquet

    number = 0
    try:
        with parquet.ParquetFile(path) as file:
            for group in range(file.num_row_groups):
                at_once = _at_once(file.metadata.row_group(group))
                for batch in file.iter_batches(batch_size=at_once, row_groups=[group]):
                    for values in _values(batch):
                        number += 1
                        yield number, values
    except (arrow.ArrowException, OSError, UnicodeDecodeError) as fault:
        raise DataError(f"{path}:{number + 1}: not Parquet: {str(fault).splitlines()[0]}") from None


def _at_once(group: RowGroupMetaData) -> int:
    """How many rows to decode together: fewer where one value, stored once and named by many rows, may be large.

    No column's metadata is looked at, since Arrow aborts the process where it is damaged.
    """
    return min(ROWS_AT_ONCE, max(1, BYTES_AT_ONCE // max(1, int(group.total_byte_size))))


def _values(batch: RecordBatch) -> list[object]:
    """The rows as plain values; Arrow checks neither text nor dates before they are asked for."""
    try:
        return list(batch.to_pylist())
    except (ArithmeticError, ValueError):
        return [_alone(batch.slice(place, 1)) for place in range(batch.num_rows)]


def _alone(row: RecordBatch) -> object:
    try:
        return row.to_pylist()[0]
    except UnicodeDecodeError:
        return Fault("not UTF-8")
    except (ArithmeticError, ValueError) as fault:
        return Fault(f"holds a value that cannot be read: {fault}")


def whole(path: Path) -> str:
    """The text of a file. Not UTF-8: DataError."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as fault:
        raise DataError(f"{path}: not UTF-8 at byte {fault.start}") from None


_READERS = {".json": _json, ".jsonl": _json_lines, ".csv": _csv, ".parquet": _parquet}
