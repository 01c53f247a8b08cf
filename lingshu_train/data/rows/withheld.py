"""Rows that other files of the publisher keep out of a split: those that share a picture or a group with a row of theirs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from lingshu_train.data.cards import patterns
from lingshu_train.data.rows import published
from lingshu_train.data.rows.line import Line, missing
from lingshu_train.data.rows.row import Origin, Picture, Row, SplitFiles

SHARED = "a picture or a group that `without` keeps out"
"""Why such a row is skipped, the same for all."""


def held_out(row: Row, fields: SplitFiles, origin: Origin) -> bool:
    """Whether a row is kept out of its split. DataError, MissingInput: the files that decide it cannot be read, or lack the
    column."""
    others = _others(fields, origin)
    mine = {*map(_picture, row.images), _name(row.sample.group)} if others else set()
    return any(not mine.isdisjoint(names) for names in others)


def ready(fields: SplitFiles, origin: Origin) -> None:
    """Read what decides it, so that a file that is not there is told once. DataError, MissingInput as above."""
    _others(fields, origin)


def _others(fields: SplitFiles, origin: Origin) -> list[frozenset[str]]:
    return [
        _names(origin.root, one.files, one.column)
        for one in fields.without
        if not one.splits or origin.split in one.splits
    ]


def _picture(picture: Picture) -> str:
    return _digest(picture.data) if picture.data else _name(picture.name)


@lru_cache(maxsize=16)
def _names(root: Path, files: str, column: str) -> frozenset[str]:
    """All that a column of some files names. Every row of the card asks for the same ones."""
    found = frozenset(key for line in published.read(root, files) for key in _keys(line.sound(), column))
    return found - {""}


def _keys(line: Line, column: str) -> Iterator[str]:
    """The names of one row: of pictures that stand in the row itself the hash."""
    if column not in line.values:
        raise line.absent(column)
    value = line.nested(column)
    cells = value if isinstance(value, Sequence) and not isinstance(value, str | bytes) else [value]
    for cell in cells:
        held = cell.get("bytes") if isinstance(cell, Mapping) else cell
        if isinstance(held, bytes):
            yield _digest(held)
        elif isinstance(cell, Mapping):
            yield _name(line.written(column, cell.get("path")))
        elif not missing(cell):
            yield _name(line.written(column, cell))


def _name(text: str) -> str:
    """In the one spelling of names; as on Windows or not."""
    return patterns.composed(text).replace("\\", "/")


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
