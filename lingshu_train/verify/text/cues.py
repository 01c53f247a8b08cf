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
_BRIEF_CN = 7
_SENTENCE_END = re.compile(r"[.;!?。；！？\n]")


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


def sets_aside(before: str) -> bool:
    """Whether the words right before an answer deny it or leave it open: "not \\boxed{A}", "I doubt the answer is A"."""
    last = before.rstrip(" \t\r\n$*(`:：是为")
    sentence = _SENTENCE_END.split(last[-80:].replace("’", "'"))[-1]
    found = [word for word in plain_words(sentence) if word not in words("words", "leading")]
    near = found[-1:] if last[-1:].isascii() else []
    return not words("words", "aside").isdisjoint(near) or last.endswith(tuple(table("words")["aside_cn"]))


def stands_alone(before: str) -> bool:
    """Whether a text is a few words that announce nothing and reason nothing: it may be an answer by itself."""
    text = before.strip()
    if not text or text[-1] in ":：" or not words("words", "announcing").isdisjoint(plain_words(text)):
        return False
    size = len(text.split()) if text.isascii() else len(text) / 3
    return size <= (3 if text[-1] in ".!。！" else 6)


def dismisses(text: str, *, gloss: bool) -> bool:
    """Whether a reason or a bracketed gloss says only that what it stands behind is not the answer: "because it is
    excluded", "(rejected)".
    """
    found = plain_words(text)
    dismissed = not words("words", "dismissal").isdisjoint(found) or _contains(
        text.lower(), _phrases("dismissal")
    )
    chinese = _contains(text, table("words")["dismissal_cn"])
    if gloss:
        return dismissed or chinese or not any(map(str.isalpha, text))
    if not text.isascii():
        return chinese and len(text) <= _BRIEF_CN
    empty = _empty_words().issuperset(found)
    return empty and (dismissed or not words("words", "negation").isdisjoint(found))


@lru_cache(maxsize=1)
def _empty_words() -> frozenset[str]:
    """Words that give no reason by themselves."""
    lists = ("bare", "subjects", "negation", "because", "dismissal", "faint", "leading")
    return frozenset[str]().union(*(words("words", name) for name in lists))
