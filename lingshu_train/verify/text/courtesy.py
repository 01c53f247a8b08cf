"""Sentences to the reader that say nothing of the answer: thanks, offers, disclaimers, advice to see a doctor.

A closed vocabulary: a sentence is courteous where it has one of the turns of courtesy and no word beyond those that
courtesy needs. Yes and no, right and wrong, numbers and letters are not among them.
"""

from __future__ import annotations

import re
from functools import cache

from lingshu_train.verify.lexicon import entries, longest_first, words

_WORD = re.compile(r"[a-z]+(?:['-][a-z]+)*")
_HAN = re.compile("[\u3400-\u9fff]+")
_CAPITAL = re.compile(r"(?<![A-Za-z0-9'])[B-HJ-Z](?![A-Za-z0-9'])|(?<![A-Za-z0-9'])[AI](?=[.,;:!?)\]]|$)")
# A turn that denies is courteous only in its set forms: "not medical advice", "don't hesitate".
_DENYING = re.compile(r"\b(?:not|don't|doesn't|cannot|can't)\b")
_EXPLAIN = frozenset(("explain", "explanation", "elaborate"))
_LONGEST = 300


def courteous(sentence: str) -> bool:
    """Whether a sentence in surface normal form is courtesy and nothing else."""
    if len(sentence) > _LONGEST or any(map(str.isdigit, sentence)) or _CAPITAL.search(sentence):
        return False
    low = sentence.lower().replace("as soon as possible", "soon")
    if _HAN.search(low):
        return _courteous_cn(low)
    if not all(char.isascii() or not char.isalnum() for char in low):
        return False
    found = _WORD.findall(low)
    if not _known().issuperset(found):
        return False
    plain = " ".join(found)
    offer = _offers().search(plain)
    if _claims().search(plain) or not (offer or _marks().search(plain)):
        return False
    if offer and not _EXPLAIN.isdisjoint(found):
        # "Would you like me to explain why the other options are wrong?" says nothing of any of them.
        return True
    return words("courtesy", "words").issuperset(found) and len(_DENYING.findall(plain)) == len(
        _bounded().findall(plain)
    )


@cache
def _known() -> frozenset[str]:
    return words("courtesy", "words") | words("courtesy", "offer_words")


def _courteous_cn(low: str) -> bool:
    if not any(mark in low for mark in entries("courtesy", "marks_cn")):
        return False
    rest = _phrases_cn().sub("", low)
    return not any(map(str.isalnum, rest))


@cache
def _marks() -> re.Pattern[str]:
    return _whole("marks")


@cache
def _offers() -> re.Pattern[str]:
    return _whole("offers")


@cache
def _bounded() -> re.Pattern[str]:
    return _whole("bounded")


@cache
def _claims() -> re.Pattern[str]:
    return _whole("claims")


def _whole(name: str) -> re.Pattern[str]:
    listed = "|".join(re.escape(entry) for entry in longest_first("courtesy", name))
    return re.compile(rf"\b(?:{listed})\b")


@cache
def _phrases_cn() -> re.Pattern[str]:
    return re.compile("|".join(map(re.escape, longest_first("courtesy", "phrases_cn"))))
