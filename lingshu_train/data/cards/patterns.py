"""File patterns of a card: `*` as in a shell, and one `{a,b}` group."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path

SAVED = "state.json"
"""What lies beside the rows where the `datasets` library has saved a data set."""


def expand(pattern: str) -> list[str]:
    """One pattern for each choice of the `{a,b}` group; the pattern itself where it has none."""
    group = re.search(r"\{([^{}]*)\}", pattern)
    if group is None:
        return [pattern]
    return [pattern[: group.start()] + choice + pattern[group.end() :] for choice in group[1].split(",")]


def files(folder: Path, pattern: str) -> Iterator[Path]:
    """The files below `folder` that match, in no order; one may come twice. A folder that the `datasets` library saved stands
    for the files of its rows.
    """
    for choice in expand(pattern):
        for path in folder.glob(choice):
            if path.is_file():
                yield path
            elif (path / SAVED).is_file():
                yield from path.glob("*.arrow")


def match(name: str, patterns: Iterable[str]) -> bool:
    """Whether a path matches one of the patterns; here `*` also stands for `/`."""
    return any(fnmatchcase(name, choice) for pattern in patterns for choice in expand(pattern))
