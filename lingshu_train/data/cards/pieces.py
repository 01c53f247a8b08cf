"""Archives under other names than a card's: another kind (`.tar.gz` for `.zip`), or cut into pieces (`images.zip.001`, ...)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lingshu_train.data.cards import patterns
from lingshu_train.errors import DataError

KINDS = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
_CUT = re.compile(
    r"^(?P<whole>.+\.(?:zip|tar|tar\.gz|tgz|tar\.bz2|tar\.xz))\.(?:part[-_]?)?(?P<number>\d+|a[a-z])$"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """`path`: the archive as it is called whole. `parts`: the files that hold it, in their order."""

    path: Path
    parts: tuple[Path, ...]


def found(folder: Path, pattern: str) -> list[Packed]:
    """The archives that match, whole or in pieces; where none does, those of another kind. DataError: a piece is missing, or
    the archive is cut in a way that must be joined first."""
    for one in (pattern, *_other_kinds(pattern)):
        there: dict[Path, tuple[Path, ...]] = {path: (path,) for path in patterns.files(folder, one)}
        for path in list(there):
            if any(path.with_suffix(f".z{number:02}").exists() for number in (1, 2)):
                raise DataError(
                    f"{path}: the last piece of a zip that is cut; join it first: zip -s 0 {path.name} --out whole.zip"
                )
        for whole, parts in _cut(folder, one):
            there.setdefault(whole, parts)
        if there:
            return [Packed(path=path, parts=parts) for path, parts in sorted(there.items())]
    return []


def any_in(folder: Path) -> list[Packed]:
    """All archives that lie in a folder itself."""
    return [one for kind in KINDS for one in found(folder, f"*{kind}") if one.path.name.endswith(kind)]


def _other_kinds(pattern: str) -> Iterator[str]:
    own = next((kind for kind in sorted(KINDS, key=len, reverse=True) if pattern.endswith(kind)), None)
    if own:
        yield from (pattern.removesuffix(own) + kind for kind in KINDS if kind != own)


def _cut(folder: Path, pattern: str) -> Iterator[tuple[Path, tuple[Path, ...]]]:
    groups: dict[Path, dict[str, Path]] = {}
    for path in patterns.files(folder, f"{pattern}.*"):
        if cut := _CUT.match(path.name):
            groups.setdefault(path.with_name(cut["whole"]), {})[cut["number"]] = path
    for whole, parts in groups.items():
        order = sorted(parts, key=lambda number: (len(number), number))
        places = [_place(number) for number in order]
        first = places[0]
        if first not in (0, 1) or places != list(range(first, first + len(places))):
            lacking = next(number for number in range(min(first, 1), places[-1]) if number not in places)
            raise DataError(
                f"{whole}: lies there in {len(parts)} pieces, and piece {lacking} is missing; get that one too"
            )
        yield whole, tuple(parts[number] for number in order)


def _place(number: str) -> int:
    return int(number) if number.isdecimal() else (ord(number[0]) - 97) * 26 + ord(number[1]) - 97
