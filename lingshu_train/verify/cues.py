"""Signals that a text is not one plain answer: hedges, negations, revisions. Words and phrases of
`tables/words.json`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from lingshu_train.verify.tables import table, words

_WORD = re.compile(r"[a-z']+")
_CLAUSE = re.compile(r"[.,;!?()\n，。；！？（）]")
_LEAD = 120


def plain_words(text: str) -> list[str]:
    """Lower-case Latin words of a text."""
    return _WORD.findall(text.lower())


def hedges(text: str) -> bool:
    """Whether the text leaves its own answer open."""
    return _signals(text, "hedge")


def revises(text: str) -> bool:
    """Whether the text takes something back or goes on to another answer."""
    return _signals(text, "revision")


def negates(text: str) -> bool:
    """Whether the text contains any negation."""
    return not words("words", "negation").isdisjoint(plain_words(text)) or _contains(
        text, table("words")["negation_cn"]
    )


def chooses(text: str) -> bool:
    """Whether the text joins several answers (or, and, both, 或, 和)."""
    found = plain_words(text)
    return (
        not words("words", "choice").isdisjoint(found)
        or "/" in text
        or _contains(text, table("words")["choice_cn"])
    )


@lru_cache(maxsize=8)
def _phrases(kind: str) -> tuple[str, ...]:
    return tuple(table("words")[f"{kind}_phrases"])


def _signals(text: str, kind: str) -> bool:
    low = text.lower()
    if not words("words", kind).isdisjoint(_WORD.findall(low)):
        return True
    if _contains(low, _phrases(kind)):
        return True
    return not text.isascii() and _contains(text, table("words")[f"{kind}_cn"])


def _contains(text: str, entries: Iterable[str]) -> bool:
    return any(entry in text for entry in entries)


def revises_firmly(text: str) -> bool:
    """Whether a justification changes its mind: the words that never belong into a reason."""
    return not words("words", "retraction").isdisjoint(plain_words(text)) or _contains(
        text, table("words")["retraction_cn"]
    )


def disowns(prelude: str) -> bool:
    """Whether the clause that leads to an answer takes it back: "the answer is not", "it is wrong to say", 不是."""
    clause = _CLAUSE.split(prelude[-_LEAD:].rstrip(" :：*_#$([\\\n\"'“"))[-1]
    if _disowning_cn().search(clause):
        return True
    found, filler = plain_words(clause.replace("’", "'")), words("words", "disowning_filler")
    while found and found[-1] in filler:
        found.pop()
    if found[-2:] in (["no", "doubt"], ["without", "doubt"], ["beyond", "doubt"]):
        return False
    return bool(found) and (found[-1] in words("words", "disowning") or found[-2:] == ["no", "one"])


@lru_cache(maxsize=1)
def _disowning_cn() -> re.Pattern[str]:
    signs, filler = ("|".join(table("words")[name]) for name in ("disowning_cn", "disowning_filler_cn"))
    # 最可能 (most likely) and 没错 (no mistake) take nothing back.
    return re.compile(f"(?<![最没])(?:{signs})(?:{filler}){{0,6}}$")
