"""Sentences about the finding that name no option: whatever they say of it, the chosen option stands."""

from __future__ import annotations

import re
from collections.abc import Iterable

from lingshu_train.verify.lexicon import words
from lingshu_train.verify.options import Options
from lingshu_train.verify.remarks import others, reason
from lingshu_train.verify.text import cues

_CLAUSE = re.compile(r"[,;:.!()，；：。！（）]| - ")
_LETTER = re.compile(r"(?<![A-Za-z0-9'])[A-Z](?![A-Za-z0-9'])")
_LACKING = re.compile(
    r"\b(?:lack(?:s|ing)?|absen(?:t|ce)|deficien(?:t|cy)|missing)\b|缺乏|缺失|缺少", re.IGNORECASE
)
# Fewer words may be another answer: "Left lung."
_FEWEST_WORDS, _FEWEST_HAN = 4, 6


def harmless(sentence: str, chosen: Iterable[str], options: Options) -> bool:
    """Whether a sentence gives a reason: it names no option, turns back nothing, leaves nothing open and does not deny in
    words of the chosen options.
    """
    long = len(sentence.split()) >= _FEWEST_WORDS or (not sentence.isascii() and len(sentence) >= _FEWEST_HAN)
    if not long or "?" in sentence or cues.revises_firmly(sentence):
        return False
    own = frozenset(chosen)
    if others.names_any(sentence, options.shown) or any(
        reason.names_another(sentence, letter, options) for letter in own
    ):
        return False
    telling = frozenset[str]().union(*(others.telling(options.shown.get(letter, "")) for letter in own))
    clauses = [clause for clause in _CLAUSE.split(sentence.lower()) if any(map(str.isalnum, clause))]
    return all(others.is_reason(clause, telling) for clause in clauses) and words(
        "words", "discarding"
    ).isdisjoint(cues.plain_words(sentence))


def asks_lacking(question: str, sentence: str, chosen: Iterable[str], options: Options) -> bool:
    """Whether a question asks what is lacking, and a sentence says so of another option: that rules nothing out there."""
    if _LACKING.search(question) is None or _LACKING.search(sentence) is None:
        return False
    own, low = frozenset(chosen), sentence.lower()
    return any(text.lower() in low for letter, text in options.shown.items() if letter not in own) or any(
        letter not in own for letter in _LETTER.findall(sentence) if letter in options.texts
    )


def asks_spared(question: str, sentence: str) -> bool:
    """Whether a question asks what is spared or normal, and a sentence says so of something: that rules nothing out there."""
    listed = words("others", "sparing")
    return not listed.isdisjoint(cues.plain_words(question)) and not listed.isdisjoint(
        cues.plain_words(sentence)
    )
