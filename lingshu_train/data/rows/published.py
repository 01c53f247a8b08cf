"""A publisher's files: which there are, and the rows of the tables among them, each with its file and line."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from lingshu_train.data.cards import alike, patterns
from lingshu_train.data.rows import columnar, delimited, json_records
from lingshu_train.data.rows.json_records import whole
from lingshu_train.data.rows.line import Fault, Line
from lingshu_train.data.rows.row import Origin, SplitFiles, TableFiles
from lingshu_train.errors import DataError, MissingInput

__all__ = [
    "Dialect",
    "dialect",
    "file_lines",
    "files",
    "gathered",
    "listed",
    "matching",
    "read",
    "single",
    "table_lines",
    "whole",
]


SUFFIXES = (".json", ".jsonl", ".ndjson", ".csv", ".tsv", ".tab", ".parquet", ".arrow")
"""What the names of tables end in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How tables are written: what stands between the cells of a `.csv` (a comma where empty) and the encoding of text (UTF-8).

    `lists`: the field that holds a row which is a list, where a data set has such rows. `names`: class labels that a
    column of Parquet or Arrow stores as numbers are read as the names that it states for them.
    """

    delimiter: str = ""
    encoding: str = ""
    lists: str = ""
    names: bool = False


def table_lines(fields: SplitFiles, origin: Origin) -> Iterator[Line]:
    """The `lines` of a layout whose files are tables: every row of the split's files."""
    yield from read(origin.root, fields.files[origin.split], dialect(fields))


def dialect(fields: SplitFiles) -> Dialect:
    """What a card says of how its tables are written, where its format can be told."""
    if isinstance(fields, TableFiles):
        return Dialect(delimiter=fields.delimiter, encoding=fields.encoding)
    return Dialect()


def file_lines(fields: SplitFiles, origin: Origin) -> Iterator[Line]:
    """The `lines` of a layout in which every file of the split is a row."""
    yield from files(origin.root, fields.files[origin.split])


def files(root: Path, pattern: str) -> Iterator[Line]:
    """A line without values for every file below `root` that matches `pattern`, for files that are rows."""
    for path in matching(root, pattern):
        fault = "" if path.is_file() else "is a link that leads nowhere"
        yield Line(file=path, number=1, record=1, fault=fault)


def matching(root: Path, pattern: str) -> list[Path]:
    """The files below `root` that match `pattern` (`*`, `**` and `{a,b}` groups), or stand for them under another name
    (`alike`), by name. None: MissingInput; two readings: DataError.

    Links that lead nowhere are among them, so that what they stand for is missed and not forgotten.
    """
    broken = set(patterns.broken_links(root, pattern))
    ways = [(pattern, tuple(patterns.files(root, pattern)))] if broken else alike.readings(root, pattern)
    if fault := alike.fault(root, pattern, ways):
        raise DataError(fault)
    found = sorted({*(path for _, there in ways for path in there), *broken})
    if not found:
        raise MissingInput(
            f"{root}: no file matches {pattern!r}; fetch the card's data, or correct `files` in the card"
        )
    return found


def single(root: Path, pattern: str) -> Path:
    """The one file that matches. None: MissingInput; several: DataError."""
    found = matching(root, pattern)
    if len(found) > 1:
        raise DataError(f"{root}: {len(found)} files match {pattern!r}, must be one: {found[0]}, {found[1]}")
    return found[0]


def read(root: Path, pattern: str, written: Dialect = Dialect()) -> Iterator[Line]:
    """Every row of the files below `root` that match `pattern` (`*`, `**` and `{a,b}` groups), files by name.

    A row that cannot be read carries its fault. DataError: a file is torn or no table, or is text without a row (an array or
    a Parquet file may state that it has none).
    """
    for path in matching(root, pattern):
        told = json_records.told(path, lists=bool(written.lists))
        for record, (number, values, crowded) in enumerate(_crowded(_table(path, written)), start=1):
            called = f" #{record}{_id(values)}" if crowded else ""
            held, fault = _held(values, written.lists)
            yield Line(
                file=path, number=number, record=record, called=called, told=told, values=held, fault=fault
            )


def _held(values: object, lists: str) -> tuple[dict[str, object], str]:
    """The values of a row, and why it cannot be read. `lists`: the field that holds a row that is a list, where such may be."""
    if isinstance(values, dict):
        return values, ""
    if lists and isinstance(values, list):
        return {lists: values}, ""
    if isinstance(values, Fault):
        return {}, values
    return {}, f"a row must be a record, got {type(values).__name__}"


def _crowded(rows: Iterable[tuple[int, object]]) -> Iterator[tuple[int, object, bool]]:
    """The rows, and whether another one begins in the same line, as in JSON that was written without line ends."""
    before, (held, fault) = 0, _next(source := iter(rows))
    while held is not None:
        number, values = held
        after, fault = (None, fault) if fault else _next(source)
        yield number, values, number in (before, after[0] if after else None)
        before, held = number, after
    if fault:
        raise fault


def _next(rows: Iterator[tuple[int, object]]) -> tuple[tuple[int, object] | None, DataError | None]:
    """The next row, or what is wrong with the file from here on: the rows before it are handed out first."""
    try:
        return next(rows, None), None
    except DataError as fault:
        return None, fault


def _id(values: object) -> str:
    """The publisher's own name of a row, where it has one."""
    found = values.get("id") if isinstance(values, dict) else None
    if not isinstance(found, str | int) or isinstance(found, bool):
        return ""
    return f" ({' '.join(str(found).split())[:60]})"


def _table(path: Path, written: Dialect) -> Iterator[tuple[int, object]]:
    """Number and values of every row, by what the file's name ends in."""
    suffix, encoding = path.suffix.lower(), written.encoding
    if not path.is_file():
        raise MissingInput(f"{path}: a link that leads nowhere; fetch the card's data again")
    if suffix in (".csv", ".tsv", ".tab"):
        delimiter = written.delimiter or ("\t" if suffix == ".tsv" or _by_tabs(path, suffix) else ",")
        return delimited.rows(path, delimiter=delimiter, encoding=encoding)
    if suffix == ".json":
        return json_records.array(path, encoding=encoding)
    if suffix in (".jsonl", ".ndjson"):
        whole_array = not written.lists and json_records.is_array(path)
        return (json_records.array if whole_array else json_records.lines)(path, encoding=encoding)
    if suffix == ".parquet":
        return columnar.parquet_rows(path, names=written.names)
    if suffix == ".arrow":
        return columnar.arrow_rows(path, names=written.names)
    raise DataError(f"{path}: cannot read {suffix or 'a file without suffix'}; can: {', '.join(SUFFIXES)}")


def _by_tabs(path: Path, suffix: str) -> bool:
    """Whether a `.tab`, as archives of research data call the tables that they rewrite, is what its name says."""
    if suffix != ".tab":
        return False
    with path.open("rb") as stream:
        return b"\t" in stream.readline(2**16)


def listed(root: Path, name: str) -> frozenset[str]:
    """The lines of a text file that lists names, one a line, in one spelling. No such file: MissingInput."""
    (path, *_) = matching(root, name)
    return frozenset(patterns.composed(text.strip()) for text in whole(path).splitlines() if text.strip())


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
