"""The rows of JSON files, arrays or a record a line, each decoded by itself and read strictly."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from lingshu_train.data.rows.line import Fault, once
from lingshu_train.errors import DataError

BOM = b"\xef\xbb\xbf"
_FIRST = 2**16
"""Bytes by which a file is told to be an array."""
_SPACE = re.compile(r"[ \t\r\n]*")


class Decoder:
    """Decodes one value after another. A record that has a key twice says two things, and is a Fault."""

    def __init__(self) -> None:
        self._json = json.JSONDecoder(object_pairs_hook=self._record)
        self._twice = ""

    def at(self, text: str, place: int) -> tuple[object, int]:
        """The value that starts at `place`, or its Fault, and where it ends. ValueError, RecursionError: not JSON."""
        self._twice = ""
        values, end = self._json.raw_decode(text, place)
        if self._twice:
            return Fault(self._twice), end
        return _paired(values) if "\\u" in text[place:end] else values, end

    def _record(self, pairs: list[tuple[str, object]]) -> dict[str, object]:
        try:
            return once(pairs)
        except ValueError as fault:
            self._twice = self._twice or str(fault)
            return dict(pairs)


def array(path: Path, *, encoding: str) -> Iterator[tuple[int, object]]:
    """The number of the line in which an element begins, and the element, for an array or for records one after another.

    The text is held once, the objects one by one. DataError: it is not JSON to its end.
    """
    text, decoder = whole(path, encoding=encoding), Decoder()
    start = _skip(text, 0)
    if text[start : start + 1] == "{":
        yield from _one_after_another(path, text, start, decoder)
        return
    if text[start : start + 1] != "[":
        raise DataError(f"{path}:1: must be a JSON array of records")
    place, number, counted = _skip(text, start + 1), 1, 0
    more = text[place : place + 1] != "]"
    while more:
        number, counted = number + text.count("\n", counted, place), place
        values, end = _decoded(path, text, place, decoder, number)
        yield number, values
        place = _skip(text, end)
        more = text[place : place + 1] == ","
        if more:
            place = _skip(text, place + 1)
    _closed(path, text, place)


def _one_after_another(path: Path, text: str, place: int, decoder: Decoder) -> Iterator[tuple[int, object]]:
    """Records without an array around them, as many tools write them; or one alone."""
    number, counted = 1, 0
    while place < len(text):
        number, counted = number + text.count("\n", counted, place), place
        values, end = _decoded(path, text, place, decoder, number)
        place = _skip(text, end)
        yield number, values


def _decoded(path: Path, text: str, place: int, decoder: Decoder, number: int) -> tuple[object, int]:
    try:
        return decoder.at(text, place)
    except json.JSONDecodeError as fault:
        raise DataError(f"{path}:{fault.lineno}: not JSON: {fault.msg}") from None
    except (ValueError, RecursionError) as fault:
        raise DataError(f"{path}:{number}: not JSON: {fault}") from None


def _closed(path: Path, text: str, place: int) -> None:
    number = text.count("\n", 0, place) + 1
    if text[place : place + 1] != "]":
        raise DataError(
            f"{path}:{number}: not JSON: after a record stands neither a comma nor the array's end"
        )
    if _skip(text, place + 1) < len(text):
        raise DataError(f"{path}:{number}: not JSON: something stands behind the array's end")


def _skip(text: str, place: int) -> int:
    found = _SPACE.match(text, place)
    return found.end() if found else place


def lines(path: Path, *, encoding: str) -> Iterator[tuple[int, object]]:
    """The number of every line that is not blank, and its value or its Fault. DataError: there is none."""
    decoder, empty = Decoder(), True
    for number, line in enumerate(_texts(path, encoding), start=1):
        if isinstance(line, Fault):
            yield number, line
        elif line.strip():
            yield number, _line(line, decoder)
        empty = empty and not line.strip()
    if empty:
        raise DataError(f"{path}: holds no row")


def is_array(path: Path) -> bool:
    """Whether a file of lines is one array of records instead, as far as its first bytes tell: one that does not end in its
    first line, or is all that there is."""
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        begin = stream.read(_FIRST).removeprefix(BOM).strip()
    if not begin.startswith(b"[") or not begin[1:].lstrip().startswith(b"{"):
        return False
    first, _, rest = begin.partition(b"\n")
    return not (first.rstrip().endswith(b"]") and rest.strip())


def told(path: Path, *, lists: bool) -> str:
    """How a JSON file is written where its name says otherwise, as far as its first bytes tell."""
    suffix = path.suffix.lower()
    if suffix in (".jsonl", ".ndjson"):
        return f"an array in a file called {suffix}" if not lists and is_array(path) else ""
    if suffix != ".json" or not path.is_file():
        return ""
    with path.open("rb") as stream:
        begin = stream.read(_FIRST).removeprefix(BOM).lstrip()
    return "records without an array around them in a file called .json" if begin.startswith(b"{") else ""


def _texts(path: Path, encoding: str) -> Iterator[str]:
    """The lines as text. Of UTF-8 a line that is none is a Fault; of other encodings the file is an error."""
    if not encoding:
        with path.open("rb") as stream:
            for number, line in enumerate(stream):
                try:
                    yield (line if number else line.removeprefix(BOM)).decode()
                except UnicodeDecodeError as fault:
                    yield Fault(f"not UTF-8 at byte {fault.start} of the line")
        return
    try:
        with path.open(encoding=encoding, newline="\n") as text:
            for number, written in enumerate(text):
                yield written if number else written.removeprefix("\ufeff")
    except UnicodeError as fault:
        raise DataError(
            f"{path}: not {encoding} ({fault}); correct `encoding` in the card's fields"
        ) from None


def _line(text: str, decoder: Decoder) -> object:
    try:
        values, end = decoder.at(text, _skip(text, 0))
    except (ValueError, RecursionError) as fault:
        return Fault(f"not JSON: {getattr(fault, 'msg', fault)}")
    return Fault("not JSON: something stands behind the record") if _skip(text, end) < len(text) else values


def _paired(values: object) -> object:
    """The values, unless an escape in them is half of a character, which no file could hold afterwards."""
    try:
        json.dumps(values, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return Fault("holds half a character: an escape from \\ud800 to \\udfff without its partner")
    return values


def whole(path: Path, *, encoding: str = "") -> str:
    """The text of a file. DataError: not UTF-8, with or without a byte order mark, or not `encoding`."""
    try:
        return path.read_text(encoding=encoding or "utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as fault:
        raise DataError(f"{path}: not {encoding or 'UTF-8'} at byte {fault.start}") from None
    except UnicodeError as fault:
        raise DataError(f"{path}: not {encoding}: {fault}") from None
