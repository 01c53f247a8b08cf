"""File patterns of a card: `*` as in a shell, `**` for any folders, and `{a,b}` groups; and names in other spellings.

One name has several spellings in Unicode (an archive made on a Mac spells `ü` as two characters), and a file may be reached
through links. Whatever the pattern and the spelling, the same files are found. Names that begin with a dot are matched only
by patterns that begin with one, as in a shell: what a Mac or a tool leaves beside the data (`._a.png`, `__MACOSX/`) is no data.
An ending in lower case stands for the same in capitals (`.JPG`), where the names are else the same.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path

SAVED = "state.json"
"""What lies beside the rows where the `datasets` library has saved a data set."""
_ENDING = 5
"""Letters of the longest ending of a file (`.jsonl`); what is longer behind a dot is a part of the name."""
_WILD = re.compile(r"[*?\[]")


def expand(pattern: str) -> list[str]:
    """One pattern for each choice of the `{a,b}` groups; the pattern itself where it has none."""
    group = re.search(r"\{([^{}]*)\}", pattern)
    if group is None:
        return [pattern]
    rest = expand(pattern[group.end() :])
    return [pattern[: group.start()] + choice + end for choice in group[1].split(",") for end in rest]


def files(folder: Path, pattern: str) -> Iterator[Path]:
    """The files below `folder` that match, in no order; one may come twice. A folder that the `datasets` library saved stands
    for the files of its rows.
    """
    for choice in expand(pattern):
        for path in paths(folder, choice):
            if path.is_file():
                yield path
            elif (path / SAVED).is_file():
                yield from path.glob("*.arrow")


def broken_links(folder: Path, pattern: str) -> Iterator[Path]:
    """The links among what matches that lead nowhere, or in a circle."""
    for choice in expand(pattern):
        yield from (path for path in paths(folder, choice) if leads_nowhere(path))


def paths(folder: Path, pattern: str) -> Iterator[Path]:
    """Files, folders and links below `folder` that match, without regard to groups. Links are followed, circles are not."""
    parts = tuple(part for part in pattern.split("/") if part not in ("", "."))
    yield from _below(folder, parts, ())


def beside(file: Path, pattern: str) -> list[Path]:
    """What a pattern means for the file of a picture or a volume: it starts at the file's folder, and may hold `..`, {name} of
    that folder, {file} and {stem}."""
    stem = file.name.removesuffix(".gz").rpartition(".")[0]
    place = pattern.format(name=file.parent.name, file=_literal(file.name), stem=_literal(stem))
    base, parts = file.parent, Path(place.lstrip("/")).parts
    while parts and parts[0] == "..":
        base, parts = base.parent, parts[1:]
    return sorted(set(paths(base, "/".join(parts))))


def _literal(name: str) -> str:
    """A name whose brackets and stars mean themselves in a pattern."""
    return re.sub(r"([*?[])", r"[\1]", name)


def match(name: str, patterns: Iterable[str]) -> bool:
    """Whether a path matches one of the patterns; here `*` also stands for `/`."""
    own = composed(name)
    return any(fnmatchcase(own, composed(choice)) for pattern in patterns for choice in expand(pattern))


def composed(name: str) -> str:
    """The one spelling by which names are compared."""
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def there(folder: Path, name: str) -> Path:
    """The file `name` below `folder` as it is spelt on disk, its ending in either case; as given where it is not there, or two
    fit."""
    path = folder / name
    if _exists(path):
        return path
    place = folder
    for part in Path(name).parts:
        found = [part] if _exists(place / part) else _spellings(place).get(composed(part), ())
        found = found or _endings(place).get(_folded(part), ())
        if len(found) != 1:
            return path
        place = place / found[0]
    return place


def other_case(path: Path) -> str:
    """A name beside `path` that differs from its name in upper and lower case alone; empty where there is none."""
    wanted = composed(path.name).casefold()
    return next((name for name in _spellings(path.parent) if name.casefold() == wanted), "")


def leads_nowhere(path: Path) -> bool:
    """Whether it is a link to what is not there, or one in a circle."""
    try:
        return path.is_symlink() and not path.exists()
    except (OSError, ValueError):  # A name that no file system takes.
        return False


def _below(folder: Path, parts: tuple[str, ...], above: tuple[Path, ...]) -> Iterator[Path]:
    """`above`: the real paths of the folders that `**` has entered, from its first on."""
    if not parts:
        yield folder
        return
    part, rest = parts[0], parts[1:]
    if part == "**":
        yield from _below(folder, rest or ("*",), above)
        inside = (*above, Path(os.path.realpath(folder)))
        for path in _entries(folder):
            if not _left_behind(path.name, "*") and path.is_dir() and not _again(path, inside):
                yield from _below(path, parts, inside)
    elif part == "..":
        yield from _below(folder.parent, rest, above)
    elif _WILD.search(part):
        for path in _entries(folder):
            name = composed(path.name)
            own = composed(part)
            fits = fnmatchcase(name, own) or fnmatchcase(_folded(name), own)
            fits = fits and not _left_behind(name, part)
            if fits and (not rest or path.is_dir()):
                yield from _below(path, rest, above)
    else:
        path = folder / part
        if _exists(path) or leads_nowhere(path):
            yield from _below(path, rest, above)
        else:
            for name in _spelt(folder).get(composed(part), ()):
                yield from _below(folder / name, rest, above)


def _left_behind(name: str, part: str) -> bool:
    """Whether `*` does not stand for this name: hidden, or what a Mac adds to its archives."""
    return (name.startswith(".") and not part.startswith(".")) or name == "__MACOSX"


def _again(path: Path, above: tuple[Path, ...]) -> bool:
    """Whether a link leads to a folder that `**` comes to without it: below its first one, or around those it is in."""
    if not path.is_symlink():
        return False
    real = Path(os.path.realpath(path))
    return above[0] in real.parents or any(real == one or real in one.parents for one in above)


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:  # No folder, or not ours to read: nothing of it matches.
        return []


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # A name that no file system takes; a link in a circle.
        return False


def _spellings(folder: Path) -> dict[str, tuple[str, ...]]:
    """Composed name -> the names on disk. Remembered as long as the folder does not change: every row may ask."""
    try:
        return _remembered(folder, folder.stat().st_mtime_ns)
    except (OSError, ValueError):
        return {}


def _endings(folder: Path) -> dict[str, tuple[str, ...]]:
    """The same by names with their endings in lower case, as cameras and Windows write `.JPG`."""
    try:
        return _remembered_endings(folder, folder.stat().st_mtime_ns)
    except (OSError, ValueError):
        return {}


def _folded(name: str) -> str:
    stem, dot, ending = composed(name).rpartition(".")
    return f"{stem}.{ending.lower()}" if dot and len(ending) <= _ENDING else composed(name)


@lru_cache(maxsize=64)
def _remembered_endings(folder: Path, changed: int) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for names in _remembered(folder, changed).values():
        for name in names:
            found[_folded(name)] = (*found.get(_folded(name), ()), name)
    return found


@lru_cache(maxsize=64)
def _remembered(folder: Path, changed: int) -> dict[str, tuple[str, ...]]:
    return _spelt(folder)


def _spelt(folder: Path) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for path in _entries(folder):
        name = composed(path.name)
        found[name] = (*found.get(name, ()), path.name)
    return found
