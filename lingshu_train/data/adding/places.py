"""Where the pictures lie that a table names: the folder from which the names start, and what the names leave out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from lingshu_train.data.adding.sniff import PICTURES, Row, Table
from lingshu_train.data.rows.line import Line
from lingshu_train.errors import MissingInput

TRIED = 60
"""Names that are looked for in each folder."""
FOLDERS = 500
"""Folders in which they are looked for."""
SIGNS = ("", ";", "|", ",", " ")
"""What may stand between several names of a cell; the first: nothing, there is one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The `share` of a column's names that are files below `folder`, with `suffix` behind them and `separator` between several.

    `inside`: the cells hold the pictures' bytes. `example`: a name that is no file.
    """

    share: float = 0.0
    folder: Path | None = None
    suffix: str = ""
    separator: str = ""
    inside: bool = False
    example: str = ""


def find(table: Table, column: str, *, images: Path | None = None) -> Place:
    """The best place for a column. `images`: the folder that the user names. MissingInput: it is not there."""
    if images is not None and not images.is_dir():
        raise MissingInput(f"--images {images}: no such folder")
    cells = [cell for row in table.rows if (cell := _cell(row, column)) not in (None, "", [])]
    if cells and all(_holds_bytes(cell) for cell in cells):
        return Place(share=1.0, inside=True)
    texts = list(islice(dict.fromkeys(name for cell in cells for name in _names(cell)), TRIED))
    if not texts:
        return Place()
    best = Place(example=texts[0])
    for folder in [images] if images else _folders(table.paths[0].parent):
        for separator in SIGNS:
            names = [name for text in texts for name in _parted(text, separator)]
            if separator and len(names) == len(texts):
                continue
            best = max(best, _in(folder, names, separator), key=lambda place: place.share)
            if best.share == 1.0:
                return best
    return best


def _in(folder: Path, names: Sequence[str], separator: str) -> Place:
    best = Place()
    for suffix in ("", *_suffixes(folder, names)):
        absent = [name for name in names if not is_file(folder, name + suffix)]
        share = 1 - len(absent) / len(names)
        if share > best.share:
            best = Place(
                share=share,
                folder=folder,
                suffix=suffix,
                separator=separator,
                example=absent[0] if absent else "",
            )
    return best


def is_file(folder: Path, name: str) -> bool:
    """Whether a row's name is a file, as the reader finds it."""
    try:
        return (folder / name.replace("\\", "/")).is_file()
    except (OSError, ValueError):  # A name that no file system takes.
        return False


def _suffixes(folder: Path, names: Sequence[str]) -> list[str]:
    """What may stand behind the names, where they end in nothing that pictures end in."""
    if any(Path(name).suffix.lower() in PICTURES for name in names[:10]):
        return []
    beside = (folder / names[0].replace("\\", "/")).parent
    if not beside.is_dir():
        return []
    return sorted(
        {path.suffix for path in islice(beside.iterdir(), 5_000) if path.suffix.lower() in PICTURES}
    )


def _folders(start: Path) -> Iterator[Path]:
    """The table's own folder and those below it, the nearest first."""
    yield start
    level, seen = [start], 1
    while level and seen < FOLDERS:
        below = [
            path
            for folder in level
            for path in sorted(folder.iterdir())
            if path.is_dir() and path.name[0] != "."
        ]
        yield from below[: FOLDERS - seen]
        level, seen = below, seen + len(below)


def _cell(row: Row, column: str) -> object:
    """A cell; a list that a text table writes as JSON or Python does is one."""
    return Line(file=Path(), number=1, record=1, values=row).nested(column)


def _names(cell: object) -> list[str]:
    found = cell if isinstance(cell, list | tuple) else [cell]
    texts = (one.get("path") if isinstance(one, Mapping) else one for one in found)
    return [text.strip() for text in texts if isinstance(text, str) and text.strip()]


def _parted(text: str, separator: str) -> list[str]:
    return [name.strip() for name in text.split(separator) if name.strip()] if separator else [text]


def _holds_bytes(cell: object) -> bool:
    found = cell if isinstance(cell, list | tuple) else [cell]
    return bool(found) and all(
        isinstance(one, bytes) or (isinstance(one, Mapping) and isinstance(one.get("bytes"), bytes))
        for one in found
    )
