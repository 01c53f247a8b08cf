"""The closed word lists of the rules, read from `tables/`: each list as the set, order or mapping that its reader needs."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import TypeVar

FOLDER = Path(__file__).with_name("tables")

# The caches below hold every list there is: they are read with names from the code only, never with a user's text.
ValueT = TypeVar("ValueT")


@cache
def words(table: str, name: str) -> frozenset[str]:
    """A list of a table, or the keys of a mapping, as a set."""
    return frozenset(entries(table, name))


@cache
def entries(table: str, name: str) -> tuple[str, ...]:
    """A list of a table, or the keys of a mapping, in the table's order."""
    found = _table(table)[name]
    assert isinstance(found, list | dict)
    return tuple(str(entry) for entry in found)


@cache
def longest_first(table: str, name: str) -> tuple[str, ...]:
    """A list of a table, or the keys of a mapping, longest entries first: of two that fit, the longer one is meant."""
    return tuple(sorted(entries(table, name), key=lambda entry: (-len(entry), entry)))


def by_first(pieces: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Pieces by their first character, in their order: what may stand at a place of a text."""
    found: dict[str, list[str]] = {}
    for piece in pieces:
        found.setdefault(piece[0], []).append(piece)
    return {first: tuple(own) for first, own in found.items()}


@cache
def texts(table: str, name: str) -> dict[str, str]:
    """A mapping of a table to texts."""
    return _mapping(table, name, str)


@cache
def counts(table: str, name: str) -> dict[str, int]:
    """A mapping of a table to whole numbers."""
    return _mapping(table, name, int)


@cache
def lists(table: str, name: str) -> dict[str, tuple[str, ...]]:
    """A mapping of a table to lists."""
    return {key: tuple(map(str, value)) for key, value in _mapping(table, name, list).items()}


@cache
def groups(table: str, name: str) -> dict[str, dict[str, str]]:
    """A mapping of a table to mappings."""
    found = _mapping(table, name, dict)
    return {group: {str(key): str(value) for key, value in inner.items()} for group, inner in found.items()}


def _mapping(table: str, name: str, kind: type[ValueT]) -> dict[str, ValueT]:
    found = _table(table)[name]
    assert isinstance(found, dict)
    typed = {str(key): value for key, value in found.items() if isinstance(value, kind)}
    assert len(typed) == len(found), f"{table}.json: {name}: every value must be a {kind.__name__}"
    return typed


@cache
def _table(name: str) -> dict[str, object]:
    found: dict[str, object] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return found
