"""Where one sentence ends and the next begins, in English and Chinese."""

from __future__ import annotations

import re

_SENTENCE = re.compile(r"(?<=[.;!?])\s+|[。；！？\n]")


def split(text: str) -> list[str]:
    """The sentences of a text, in order; some may be empty."""
    return _SENTENCE.split(text)


def first(text: str) -> tuple[str, str]:
    """The first sentence and the rest."""
    parts = _SENTENCE.split(text, maxsplit=1)
    return parts[0], parts[1] if len(parts) > 1 else ""
