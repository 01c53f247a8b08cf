"""The rows of CSV and TSV files, exactly: a line is a row, or refused as one row, or the whole file is an error.

Quoting is read strictly. Where it is damaged nobody can tell where the next row begins, so that the file is an error: no
part of a cell ever becomes a row.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from lingshu_train.data.rows.line import Fault
from lingshu_train.errors import DataError

LONGEST = 2**26
"""Characters of a cell. A longer one is a quote that is never closed."""
HEAD = 2**20
"""Characters in which the end of the header is looked for."""
OTHERS = {";": "';'", "\t": r'"\t"', "|": "'|'"}
"""What else stands between cells, as a card writes it."""

SEP = re.compile(r"sep=.?", re.IGNORECASE)


def rows(path: Path, *, delimiter: str, encoding: str) -> Iterator[tuple[int, object]]:
    """For every row below the header the number of the line it begins in, and its cells by column, or its Fault.

    Blank lines are no rows; columns without a name are left out. `encoding` empty is UTF-8, with a byte order mark or
    without. DataError: header, quoting or encoding are damaged, or there is no row.
    """
    begin, empty = 1, True
    try:
        with path.open(encoding=encoding or "utf-8", errors="surrogateescape", newline="") as stream:
            end = _line_end(stream.read(HEAD))
        # Split at the header's sort of line end alone, so that another sort in an unquoted cell is an error.
        with path.open(encoding=encoding or "utf-8", errors="surrogateescape", newline=end) as stream:
            # The csv module's limit is one for the process, and lower than what people store.
            csv.field_size_limit(LONGEST)
            reader = csv.reader(_without_mark(stream), delimiter=delimiter, strict=True)
            head = _head(path, _below_sep(reader), encoding=encoding, delimiter=delimiter)
            begin = reader.line_num + 1
            for cells in reader:
                if cells:
                    empty = False
                    yield begin, _row(head, cells, encoding=encoding)
                begin = reader.line_num + 1
        if empty:
            raise DataError(f"{path}: holds no row below the header")
    except csv.Error as fault:
        raise DataError(f"{path}:{begin}: not CSV: {_why(fault)}") from None
    except UnicodeError as fault:
        raise DataError(
            f"{path}: not {encoding} ({fault}); correct `encoding` in the card's fields"
        ) from None


def _line_end(text: str) -> str:
    quoted = False
    for place, character in enumerate(text):
        if character == '"':
            quoted = not quoted
        elif character in "\r\n" and not quoted:
            return "\r" if character == "\r" and text[place + 1 : place + 2] != "\n" else "\n"
    return "\n"


def _without_mark(lines: Iterable[str]) -> Iterator[str]:
    for number, line in enumerate(lines):
        yield line if number else line.removeprefix("\ufeff")


def _below_sep(reader: Iterator[list[str]]) -> list[str]:
    """The header, which stands below the line by which Excel is told the delimiter (`sep=;`), where there is one."""
    head = next(reader, [])
    return next(reader, []) if head and SEP.fullmatch("".join(head)) else head


def _head(path: Path, names: list[str], *, encoding: str, delimiter: str) -> list[str]:
    """The names of the columns, empty where one has none."""
    where = f"{path}:1"
    if not any(names):
        raise DataError(f"{where}: the first line must name the columns, and it is empty")
    fault = _unreadable(names, encoding)
    if fault:
        marked = names[0].startswith(("\udcff\udcfe", "\udcfe\udcff")) or "\0" in "".join(names)
        guess = "`encoding: utf-16`" if marked else "its `encoding`, such as latin-1,"
        raise DataError(f"{where}: the header is {fault}; say {guess} in the card's fields")
    twice = [name for name, count in Counter(names).items() if name and count > 1]
    if twice:
        raise DataError(f"{where}: the header names {', '.join(map(repr, twice))} more than once")
    other = next((sign for sign in OTHERS if sign != delimiter and sign in names[0]), None)
    if len(names) == 1 and other:
        raise DataError(
            f"{where}: the header is one cell, {names[0]!r}; say `delimiter: {OTHERS[other]}` in the card's fields"
        )
    return names


def _row(head: list[str], cells: list[str], *, encoding: str) -> dict[str, str] | Fault:
    if len(cells) != len(head):
        return Fault(f"{len(cells)} cells, the header has {len(head)}")
    fault = _unreadable(cells, encoding)
    return Fault(fault) if fault else {name: cell for name, cell in zip(head, cells, strict=True) if name}


def _unreadable(cells: list[str], encoding: str) -> str:
    """What keeps the cells from being text; empty where nothing does."""
    text = "".join(cells)
    if "\0" in text:
        return "no text: it holds a NUL character"
    try:
        text.encode()
    except UnicodeEncodeError:
        return f"not {encoding or 'UTF-8'}"
    return ""


def _why(fault: csv.Error) -> str:
    """The csv module's reasons, as a user can act on them."""
    text = str(fault)
    if "unexpected end" in text or "field larger" in text:
        return 'a quote (") is opened in this row and not closed'
    if "expected after" in text:
        return "behind a closed quote stands something else than the end of the cell (a quote in a cell is doubled)"
    if "new-line" in text:
        return "a line end of another sort than the header's stands in a cell without quotes"
    return text
