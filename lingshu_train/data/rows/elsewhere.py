"""Pictures that lie in one folder more or less than a card says, as archives are unpacked: told from the folders alone.

One rule for all cards, asked where a picture is not at its place. A folder is taken for the meant one only where no other
could be: by its name, or because nothing else lies there. Where two hold the name, the row is refused.
"""

from __future__ import annotations

import filecmp
from functools import lru_cache
from pathlib import Path, PurePosixPath

from lingshu_train.data.cards import patterns
from lingshu_train.data.rows.line import Line

_PICTURES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".gif", ".webp", ".dcm")
MOST_FOLDERS = 64


def find(line: Line, field: str, folder: Path, name: str) -> tuple[Path, str] | None:
    """The file `name` that is not below `folder`, where it lies instead, and in a few words where; None: nowhere. DataError: in
    two places, with other bytes."""
    found: dict[Path, str] = {}
    for place, tail, told in _places(folder, name):
        path = patterns.there(place, tail)
        if _is_file(path):
            found.setdefault(path, told)
    if not found:
        return None
    first, *others = found
    for other in others:
        if not filecmp.cmp(first, other, shallow=False):
            raise line.error(
                field, f"{name} is not in {folder}, and both {first} and {other} could stand for it"
            )
    return first, found[first]


def _places(folder: Path, name: str) -> list[tuple[Path, str, str]]:
    """Where a picture may lie, what of its name is a name there, and how it is told."""
    begin, slash, rest = name.partition("/")
    if not folder.is_dir():
        return [*_around(folder.parent, folder.name, name)]
    if slash and not _is_dir(folder / begin):
        inner = [(place, name, _told(place, folder)) for place in _folders(folder) if _is_dir(place / begin)]
        return inner or [(folder, rest, f"pictures without their folder {begin}/")]
    if slash and _is_dir(folder / begin / begin):
        return [(folder / begin, name, f"pictures in a folder more, {begin}/")]
    same = folder / folder.name
    if same.is_dir():
        return [(same, name, _told(same, folder))]
    inside = _folders(folder)
    if len(inside) == 1 and not _has_pictures(folder):
        return [(inside[0], name, _told(inside[0], folder))]
    return []


def _around(parent: Path, called: str, name: str) -> list[tuple[Path, str, str]]:
    """A folder that is not there: under a folder more, or its pictures beside it, or in the only folder that is there."""
    below = _folders(parent)
    named = [place for one in below for place in (one / called, *(inner / called for inner in _folders(one)))]
    found = [place for place in named if place.is_dir()]
    if not found and _has_pictures(parent):
        return [(parent, name, f"pictures without their folder {called}/")]
    if not found and len(below) == 1:
        found = below
    return [
        (place, name, f"pictures in {place.relative_to(parent).as_posix()}/ in place of {called}/")
        for place in found
    ]


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # A name that no file system takes.
        return False


def _is_dir(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def _told(place: Path, folder: Path) -> str:
    inner = PurePosixPath(place.relative_to(folder).as_posix())
    return f"pictures in a folder more, {inner}/"


def _folders(folder: Path) -> list[Path]:
    try:
        return list(_remembered(folder, folder.stat().st_mtime_ns)[0])
    except OSError:
        return []


def _has_pictures(folder: Path) -> bool:
    try:
        return _remembered(folder, folder.stat().st_mtime_ns)[1]
    except OSError:
        return False


@lru_cache(maxsize=256)
def _remembered(folder: Path, changed: int) -> tuple[tuple[Path, ...], bool]:
    """The folders in a folder, none where there are many, and whether a picture lies in it."""
    entries = [
        one for one in sorted(folder.iterdir()) if not one.name.startswith(".") and one.name != "__MACOSX"
    ]
    below = tuple(one for one in entries if one.is_dir())
    pictures = any(one.suffix.lower() in _PICTURES for one in entries)
    return (below if len(below) <= MOST_FOLDERS else ()), pictures
