"""The part of a completion that says its answer, however it is marked: what checks read, where the verifier refuses to."""

from __future__ import annotations

import re

_THOUGHT = re.compile(r"<think>.*?</think>", re.DOTALL | re.IGNORECASE)
_TAG = re.compile(r"<[^<>]{0,20}>")


def region(text: str) -> str:
    """All of it but thoughts and tags."""
    return _TAG.sub(" ", _THOUGHT.sub(" ", text)).strip()
