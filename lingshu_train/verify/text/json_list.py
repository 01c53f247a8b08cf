"""A list that a model wrote as JSON, with or without its outer brackets."""

from __future__ import annotations

import json


def json_list(text: str) -> list[str] | None:
    """The texts of a JSON list; None for anything else, an empty list too."""
    try:
        items = json.loads(text if text.startswith("[") else f"[{text}]")
    except (ValueError, RecursionError):
        return None
    return (
        items if isinstance(items, list) and items and all(isinstance(item, str) for item in items) else None
    )
