"""Sentences about the finding that name no option: whatever they say of it, the chosen option stands."""

from __future__ import annotations

import re
from collections.abc import Iterable

from lingshu_train.verify.lexicon import words
from lingshu_train.verify.options import Options
from lingshu_train.verify.remarks import others, reason
from lingshu_train.verify.remarks.own import telling as telling_words
from lingshu_train.verify.text import cues

_CLAUSE = re.compile(r"[,;:.!()，；：。！（）]| - ")
_AGAINST = re.compile(
    r"\b(?:this|that|it|which|he|she|they)\b[^.;]{0,20}(?:\bnot\b|n't\b|\bcannot\b|\bnever\b|\bhardly\b)"
    r"[^.;]{0,20}\b(?:right|correct|true|so|fit|match|hold|apply|answer|case)\b"
    r"|\b(?:nothing|none|little|no [a-z]+) (?:[a-z]+ )?(?:speaks?|argues?|supports?|suggests?|favou?rs?|points?|confirms?)"
    r" (?:for |to |toward )?(?:it|this|that)\b",
    re.IGNORECASE,
)
_AGAINST_CN = re.compile(
    "(?:该|此|这)(?:个|一)?(?:选?项|诊断|答案|选择|说法|判断)[^,，。；]{0,8}(?:不|没|未|非|排除|罕见|少见|错|误)"
)
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
    if not long or "?" in sentence or cues.revises_firmly(sentence) or turns_on_itself(sentence):
        return False
    own = frozenset(chosen)
    if others.names_any(sentence, options.shown) or any(
        reason.names_another(sentence, letter, options) for letter in own
    ):
        return False
    telling = frozenset[str]().union(*(telling_words(options.shown.get(letter, "")) for letter in own))
    clauses = [clause for clause in _CLAUSE.split(sentence.lower()) if any(map(str.isalnum, clause))]
    return all(others.is_reason(clause, telling) for clause in clauses) and words(
        "words", "discarding"
    ).isdisjoint(cues.plain_words(sentence))


def turns_on_itself(sentence: str) -> bool:
    """Whether a sentence denies what stands before it: "this cannot be right", "nothing speaks for it", 该项已被排除."""
    if sentence.isascii():
        return _AGAINST.search(sentence) is not None
    return _AGAINST_CN.search(sentence) is not None


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
