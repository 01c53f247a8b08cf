"""How a text table is written: its encoding, and what stands between its cells. Guessed from the file, and said."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import charset_normalizer

from lingshu_train.data.adding.told import codec
from lingshu_train.errors import DataError

DELIMITERS = (",", ";", "\t", "|", "^", "~", ":")
"""What may stand between cells, commonest first. Others are said with --delimiter."""
HEAD = 2**20
"""Characters from which both are guessed."""
SEEN = 200
"""Rows that must agree on the number of cells."""
AGREE = 0.9
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_WRITTEN = ["cp1252", "cp1250", "cp1251", "gb18030", "big5", "shift_jis", "euc_kr"]
"""What tables of hospitals that are not in Unicode are written in; more would only be mistaken for one another."""
_SEP = re.compile(r'"?sep=(.)"?\r?\n?', re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Writing:
    """`encoding` is a codec of Python, empty for UTF-8. `delimiter` stands between cells. `mark`: the file's first line is
    Excel's `sep=` and names the delimiter. `odd`: words outside ASCII, by which a reader sees whether the encoding is right."""

    encoding: str
    delimiter: str
    mark: bool = False
    odd: tuple[str, ...] = ()


def of(path: Path, *, encoding: str = "", delimiter: str = "") -> Writing:
    """How a text file is written; what is given is taken as said. DataError: it is empty, or no text of the encoding."""
    data = path.read_bytes()
    if not data.strip(b"\r\n\t \0\xef\xbb\xbf\xff\xfe"):
        raise DataError(f"{path}: the file is empty")
    known = codec(encoding) if encoding else _encoding(path, data)
    try:
        text = data.decode(known or "utf-8")
    except UnicodeError as fault:
        raise DataError(f"{path}: not {known or 'UTF-8'}: {fault}; say another with --encoding") from None
    text = text.removeprefix("\ufeff")
    first = _SEP.match(text)
    sign = delimiter or (first[1] if first else _delimiter(text[:HEAD]))
    odd = dict.fromkeys(re.findall(r"\w*[^\W\d_a-zA-Z]\w*", text[:HEAD]))
    return Writing(encoding=known, delimiter=sign, mark=bool(first), odd=tuple(odd)[:3])


def _encoding(path: Path, data: bytes) -> str:
    for mark, name in _MARKS:
        if data.startswith(mark):
            return "" if name == "utf-8-sig" else name
    if b"\0" in data[:HEAD]:
        return _utf16(path, data)
    try:
        data.decode()
    except UnicodeDecodeError:
        pass
    else:
        return ""
    best = charset_normalizer.from_bytes(data[:HEAD], cp_isolation=_WRITTEN).best()
    if best is None:
        raise DataError(f"{path}: its encoding cannot be told; say it with --encoding, such as latin-1")
    # Western Europe's letters are the same bytes in both; its name is the better known.
    same = best.encoding == "cp1250" and _decoded(data, "cp1252") == _decoded(data, "cp1250")
    return "cp1252" if same else best.encoding


def _utf16(path: Path, data: bytes) -> str:
    """UTF-16 without its mark, where most bytes in odd or in even places are NUL and few of the others are."""
    counts = {"utf-16-be": data[:HEAD:2].count(0), "utf-16-le": data[1:HEAD:2].count(0)}
    fewer, more = sorted(counts, key=lambda name: counts[name])
    if counts[more] < len(data[:HEAD]) / 4 or counts[fewer] > counts[more] / 10:
        raise DataError(f"{path}: no text: it holds NUL bytes; if it is UTF-16, say so with --encoding")
    return more


def _decoded(data: bytes, encoding: str) -> str:
    return data.decode(encoding, errors="replace")


def _delimiter(text: str) -> str:
    """The sign that cuts the rows into the same number of cells, and into most of them; a comma where there is one column."""
    found = {sign: _columns(text, sign) for sign in DELIMITERS}
    most = max(found.values())
    return next(sign for sign in DELIMITERS if found[sign] == most) if most > 1 else ","


def _columns(text: str, sign: str) -> int:
    """Cells of the header, where nearly every row has as many; else 0."""
    reader = csv.reader(_whole_lines(text), delimiter=sign)
    try:
        counts = [len(cells) for cells, _ in zip(reader, range(SEEN + 1), strict=False) if cells]
    except csv.Error:
        return 0
    if not counts:
        return 0
    agreeing = Counter(counts)[counts[0]]
    return counts[0] if agreeing >= AGREE * len(counts) else 0


def _whole_lines(text: str) -> Iterator[str]:
    """The last line may be cut off where only the head of a file is looked at."""
    lines = list(io.StringIO(text, newline=""))
    yield from lines[:-1] if len(text) >= HEAD and len(lines) > 1 else lines
