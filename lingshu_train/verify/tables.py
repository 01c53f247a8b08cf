"""The normalisation tables (words, spelling, abbreviations, units, numbers)."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).with_name("tables")


@lru_cache(maxsize=16)
def table(name: str) -> dict[str, Any]:
    """The whole table `name`."""
    data: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return data


@lru_cache(maxsize=256)
def words(name: str, key: str) -> frozenset[str]:
    """A word list of a table as a set."""
    return frozenset(table(name)[key])


@lru_cache(maxsize=256)
def longest_first(name: str, key: str) -> tuple[str, ...]:
    """A word list (or the keys of a mapping) of a table, longest entries first."""
    return tuple(sorted(table(name)[key], key=lambda entry: (-len(entry), entry)))


@lru_cache(maxsize=64)
def mapping(name: str, key: str) -> dict[str, Any]:
    """A mapping of a table."""
    found: dict[str, Any] = table(name)[key]
    return found
