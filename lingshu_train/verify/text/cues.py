"""Signals that a text is not one plain answer: hedges, negations, revisions. Words and phrases of
`tables/words.json`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache, lru_cache

from lingshu_train.verify.lexicon import entries, words

_WORD = re.compile(r"[a-z']+")


def plain_words(text: str) -> list[str]:
    """Lower-case Latin words of a text."""
    return _WORD.findall(text.lower())


# The rules of one verdict ask it of the same text two or three times.
@lru_cache(maxsize=1024)
def hedges(text: str) -> bool:
    """Whether the text leaves its own answer open."""
    return _signals(text, "hedge")


def revises(text: str) -> bool:
    """Whether the text takes something back or goes on to another answer."""
    return _signals(text, "revision")


def negates(text: str) -> bool:
    """Whether the text contains any negation."""
    return not words("words", "negation").isdisjoint(plain_words(text)) or contains(
        text, entries("words", "negation_cn")
    )


def chooses(text: str) -> bool:
    """Whether the text joins several answers (or, and, both, 或, 和)."""
    found = plain_words(text)
    return (
        not words("words", "choice").isdisjoint(found)
        or "/" in text
        or contains(text, entries("words", "choice_cn"))
    )


def _signals(text: str, kind: str) -> bool:
    low = text.lower()
    if not words("words", kind).isdisjoint(_WORD.findall(low)):
        return True
    if contains(low, entries("words", f"{kind}_phrases")):
        return True
    return not text.isascii() and contains(text, entries("words", f"{kind}_cn"))


def contains(text: str, phrases: Iterable[str]) -> bool:
    """Whether any of the phrases stands in the text."""
    # A loop, since every verdict asks this of long lists and a generator costs twice the time.
    for phrase in phrases:  # noqa: SIM110
        if phrase in text:
            return True
    return False


def revises_firmly(text: str) -> bool:
    """Whether a justification changes its mind: the words that never belong into a reason."""
    low = text.lower()
    return (
        not words("words", "retraction").isdisjoint(plain_words(low))
        or contains(low, entries("words", "retraction_phrases"))
        or (not low.isascii() and contains(low, _retracting_cn()))
    )


@cache
def _retracting_cn() -> tuple[str, ...]:
    return entries("words", "retraction_cn") + entries("words", "retraction_phrases_cn")
