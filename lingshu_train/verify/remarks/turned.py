"""One phrase in another order of its words: "thickening of the basement membrane", "basement membrane thickening", "thickened
basement membrane"; "dissection of the aorta", "aortic dissection".
"""

from __future__ import annotations

import re
from functools import lru_cache

from lingshu_train.verify.lexicon import texts
from lingshu_train.verify.text import canon
from lingshu_train.verify.text.normal import clean

_GLOSS = re.compile(r" ?[(]([^()]{1,40})[)] ?")
_INITIALS = re.compile(r" ?[(]([A-Z]{2,6})[)]")
_WORDS = re.compile(r"[A-Za-z]+")
_MOST = 12


@lru_cache(maxsize=16384)
def key(text: str) -> str:
    """The canonical form with "N of M" as "M N", a leading participle behind its noun, and adjectives of organs as nouns."""
    parts = text.lower().split(" of ")
    if len(parts) > 2 or len(text.split()) > _MOST:
        return canon.key(text)
    tokens = [token for part in reversed(parts) for token in canon.canonical(clean(part))]
    nouns, same = texts("carriers", "organs"), texts("words", "same")
    plain = [
        canon.word(same.get(token, token)) if " " not in same.get(token, "") else token for token in tokens
    ]
    plain = [nouns.get(token, token) for token in plain]
    changes = {canon.word(value) for value in same.values() if " " not in value}
    participle = tokens[:1] != plain[:1] or tokens[0].endswith("ed")
    if len(plain) > 1 and plain[0] in changes and participle:
        plain = [*plain[1:], plain[0]]
    return " ".join(plain)


def without_initials(text: str) -> str:
    """A text without a bracket that holds the initials of the words before it: "left anterior descending artery (LAD)"."""
    return _INITIALS.sub(_unless_initials, text) if "(" in text else text


def _unless_initials(found: re.Match[str]) -> str:
    initials = "".join(word[0] for word in _WORDS.findall(found.string[: found.start()]))[-_MOST:].lower()
    if found.group(1).lower() in initials:
        return ""
    return (
        "" if _abbreviates(found.group(1).lower(), found.string[: found.start()].lower()) else found.group()
    )


def _abbreviates(letters: str, before: str) -> bool:
    """Whether letters stand in a text in their order, from the beginning of a word on: ATFL in "anterior talofibular"."""
    for start in (found.start() for found in _WORDS.finditer(before) if found.group()[0] == letters[0]):
        rest = iter(before[start:])
        if all(letter in rest for letter in letters):
            return True
    return False


def without_gloss(text: str, own: frozenset[str]) -> str:
    """A text without a bracket that says what the text says: "(H&E)" where that is one of the canonical texts `own`."""
    return _GLOSS.sub(lambda found: " " if canon.key(clean(found.group(1))) in own else found.group(), text)
