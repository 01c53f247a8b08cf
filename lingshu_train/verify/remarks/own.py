"""The words of an option by which it is known where a sentence denies it."""

from __future__ import annotations

from functools import lru_cache

from lingshu_train.verify.lexicon import words
from lingshu_train.verify.text import canon


@lru_cache(maxsize=4096)
def telling(text: str) -> frozenset[str]:
    """The words of an option that stand for it: its last noun, and what has an opposite. "No pleural line" denies no
    pleural effusion.
    """
    if not text.isascii():
        return frozenset((text,))
    found = [canon.word(token) for token in canon.tokenize(text) if token.isalpha()]
    kept = [word for word in found if word not in words("words", "stop")]
    return frozenset([*kept[-1:], *(word for word in kept if word in words("words", "opposites"))])


@lru_cache(maxsize=4096)
def content(text: str) -> frozenset[str]:
    """The words of a text that carry its meaning, in canonical form; a Chinese text as one."""
    if not text.isascii():
        return frozenset((text,))
    return frozenset(
        canon.word(token)
        for token in canon.tokenize(text)
        if token.isalpha() and token not in words("words", "stop")
    )
