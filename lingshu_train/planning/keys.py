"""Which keys a recipe may have at a place: for the line about one that is not there. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lingshu_train.model import shape
from lingshu_train.naming import components
from lingshu_train.schema import below, keys_of, nearest
from lingshu_train.stages import _kinds as kinds


def advice(override: str, written: Mapping[str, object], document: object) -> str:
    """Why `key=value` or `~key` meets no key of a recipe, and what would; empty where it meets one.

    `written` is the recipe without overrides, `document` the record that it is read into.
    """
    path, given, value = override.partition("=")
    path = path.lstrip("+~")
    place: object = written
    record: object = document
    before: list[str] = []
    for part in path.split("."):
        if not isinstance(place, Mapping):
            return f"{path}: unknown key; {'.'.join(before)} is a value and has no keys"
        if part not in place:
            return _absent(path, before, part, place=place, record=record, added=f"{given}{value}")
        record, place = _record(record, part, place), place[part]
        before.append(part)
    return ""


def _absent(
    path: str, before: list[str], part: str, *, place: Mapping[str, object], record: object, added: str
) -> str:
    if part in getattr(record, "moved", {}):
        return f"{path} {record.moved[part]}"  # type: ignore[attr-defined]
    if part in keys_of(record):
        deeper = path.split(".")[len(before) + 1 :]
        if wrong := _wrong(below(record, part), deeper):
            return f"{path}: unknown key; {wrong}"
        here, kind = ".".join(before) or "the recipe", place.get("kind")
        owner = kind if isinstance(kind, str) else before[-1] if before else "recipes"
        return f"{path}: {here} does not set it, and it is a key of {owner}; write +{path}{added or '=VALUE'}"
    known = {*keys_of(record), *map(str, place)}
    if not known:
        return f"{path}: {'.'.join(before)} is empty; write +{path}{added or '=VALUE'} to add to it"
    return f"{path}: unknown key; {nearest(part, known)}"


def _wrong(record: object, deeper: Sequence[str]) -> str:
    """The nearest to the first part of `deeper` that is none of its record; empty where all are, or nobody knows."""
    for part in deeper:
        known = keys_of(record)
        if not known:
            return ""
        if part not in known:
            return nearest(part, known)
        record = below(record, part)
    return ""


def _record(record: object, part: str, place: Mapping[str, object]) -> object:
    """What is known of the keys under `part`: a stage's depend on its kind, the shape's on the family."""
    inner, value = below(record, part), place[part]
    if isinstance(value, Mapping):
        kind = value.get("kind")
        if isinstance(kind, str) and kind in components(kinds.PACKAGE) and not keys_of(inner):
            return kinds.config_class(kind)
        family = place.get("family")
        if part == "shape" and isinstance(family, str) and family in components(shape.FAMILIES):
            return shape.of(family)
    return inner
