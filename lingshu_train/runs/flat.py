"""Nested settings as rows of dotted key and text, for people to read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping


def scalars(data: object, path: str = "") -> Iterator[tuple[str, str]]:
    """Every number and text in nested data as (dotted key, text), in the order written; no empty ones."""
    if isinstance(data, Mapping):
        for key, value in data.items():
            yield from scalars(value, f"{path}.{key}" if path else str(key))
    elif isinstance(data, (list, tuple)):
        if all(not isinstance(item, (Mapping, list, tuple)) for item in data):
            if data:
                yield path, ", ".join(str(item) for item in data)
        else:
            for place, item in enumerate(data):
                yield from scalars(item, f"{path}.{place}")
    elif data is not None and data != "":
        yield path, f"{data:.6g}" if isinstance(data, float) else str(data)
