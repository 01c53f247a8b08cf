"""Where the pictures lie that a table names: in any of several folders, and by a name with or without its beginning.

A publisher's archives are unpacked into one folder or into one each, and later versions of a set move them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator

from lingshu_train.data.cards import patterns
from lingshu_train.data.rows.embedded import file
from lingshu_train.data.rows.line import Line
from lingshu_train.data.rows.row import Picture


def _several(value: object) -> object:
    return (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list) else value


Folders = Annotated[tuple[str, ...], BeforeValidator(_several)]
"""Patterns of folders; a text alone is one."""


def below(root: Path, wanted: Sequence[str]) -> tuple[Path, ...]:
    """The folders below `root` that the patterns mean, those of the first pattern first. Where none is there: the first pattern
    as a name, so that what is missing is missed there.
    """
    found = {
        path: None
        for pattern in wanted
        for choice in patterns.expand(pattern)
        for path in sorted(set(patterns.paths(root, choice)))
        if path.is_dir()
    }
    return tuple(found) or (root / (wanted[0] if wanted else ""),)


def picture(
    line: Line, field: str, within: Sequence[Path], *, name: str, beginnings: Sequence[str] = ()
) -> Picture:
    """The file `name` in the first folder that has it; in the first folder where none has.

    `beginnings` are what a name may begin with and a folder leave out. DataError as of `embedded.file`.
    """
    names = [name, *(name.removeprefix(one) for one in beginnings if name.startswith(one))]
    found = [file(line, field, folder, name=one, strictly=True) for one in names for folder in within]
    there = next((one for one in found if one.exists()), None)
    others = (file(line, field, folder, name=one) for one in names for folder in within)
    return there or next((one for one in others if one.exists()), found[0])
