"""File patterns of a card: `*` as in a shell, and one `{a,b}` group."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path


def expand(pattern: str) -> list[str]:
    """One pattern for each choice of the `{a,b}` group; the pattern itself where it has none."""
    group = re.search(r"\{([^{}]*)\}", pattern)
    if group is None:
        return [pattern]
    return [pattern[: group.start()] + choice + pattern[group.end() :] for choice in group[1].split(",")]


def files(folder: Path, pattern: str) -> Iterator[Path]:
    """The files below `folder` that match, in no order; one may come twice."""
    for choice in expand(pattern):
        yield from (path for path in folder.glob(choice) if path.is_file())


def match(name: str, patterns: Iterable[str]) -> bool:
    """Whether a path matches one of the patterns; here `*` also stands for `/`."""
    return any(fnmatchcase(name, choice) for pattern in patterns for choice in expand(pattern))
