"""One phrase in another order of its words: "thickening of the basement membrane", "basement membrane thickening", "thickened
basement membrane"; "dissection of the aorta", "aortic dissection".
"""

from __future__ import annotations

import re
from functools import cache, lru_cache

from lingshu_train.verify.lexicon import texts
from lingshu_train.verify.text import canon
from lingshu_train.verify.text.normal import clean

_GLOSS = re.compile(r" ?[(]([^()]{1,40})[)] ?")
_INITIALS = re.compile(r" ?[(]([A-Z]{2,6})[)]")
_WORDS = re.compile(r"[A-Za-z]+")
_SPELLED = re.compile(r"([A-Z]{2,6}) ?[(]([A-Za-z -]{4,60})[)]")
_ABBREVIATED = re.compile(r"[A-Z]{3,5}")
_PARTS = frozenset(
    ("artery", "vein", "nerve", "ligament", "lobe", "quadrant", "tendon", "duct", "ventricle", "atrium")
)
_SMALL = 2
_DEED = re.compile(r"(?:(?:its |the )?(?:main )?function is )?(?:to |it |for )?([a-z]{4,}) ([a-z][a-z -]+)")
_MOST = 12
# "The basement membrane is thickened" is a thickened basement membrane.
_STATE = re.compile(r"^(?:the |an? )?([a-z][a-z -]{2,60}) (?:is|are|appears?|looks?) ([a-z]{4,})$")
# "Frontal lobe, left", "the frontal lobe on the left".
_SIDE_LAST = re.compile(
    r"^(?:the )?((?:(?!\b(?:left|right|bilateral|both)\b)[a-z -])+?)(?:,| (?:on|of) the) (left|right)(?: side| hemisphere)?$"
)
_NOUN_OF_VERB = re.compile(r"(?<=[a-z]{2}[acprs]t)ion$")


@lru_cache(maxsize=16384)
def key(text: str) -> str:
    """The canonical form with "N of M" as "M N", a leading participle behind its noun, and adjectives of organs as nouns."""
    low = _SIDE_LAST.sub(r"\2 \1", text.lower())
    state = _STATE.match(low)
    if state is not None and _participle(state.group(2)):
        low = f"{state.group(2)} {state.group(1)}"
    parts = low.split(" of ")
    if len(parts) > 2 or len(text.split()) > _MOST:
        return canon.key(text)
    tokens = [token for part in reversed(parts) for token in canon.canonical(clean(part))]
    nouns = texts("carriers", "organs")
    plain = [nouns.get(word, word) for token in tokens for word in _plain(token)]
    verbal = plain[:1] != [] and (plain[0] in _states() or plain[0].endswith("ed"))
    if len(plain) > 1 and verbal and (tokens[:1] != plain[:1] or tokens[0].endswith("ed")):
        plain = [*plain[1:], plain[0]]
    return " ".join(plain)


def _plain(token: str) -> list[str]:
    """A token with the words for the same as one: "thickening" as "thickened", "cardiomegaly" as two, "accumulation" as
    "accumulated".
    """
    same = texts("words", "same").get(token)
    if same is not None:
        return [canon.word(word) for word in same.split()]
    return [_NOUN_OF_VERB.sub("ed", token)]


def _participle(word: str) -> bool:
    token = canon.word(word)
    return word.endswith("ed") or token in _states() or token in texts("words", "same")


@cache
def _states() -> frozenset[str]:
    """What a thing may be, in the form in which the rules compare: "thickened", "enlarged"."""
    said = (value.split()[0] for value in texts("words", "same").values())
    return frozenset(map(canon.word, said)) - frozenset(texts("carriers", "organs").values()) - {"heart"}


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


def without_full_name(text: str) -> str:
    """The bracket of a text whose initials stand before it: "pulmonary embolism" of "PE (pulmonary embolism)"."""
    found = _SPELLED.fullmatch(text)
    return found.group(2) if found and initials(found.group(2)) == found.group(1) else text


def initials(text: str) -> str:
    """The first letters of the words of a text that have more than two, as an abbreviation writes them."""
    return "".join(word[0].upper() for word in _WORDS.findall(text) if len(word) > _SMALL)


def abbreviates(text: str, full: str) -> bool:
    """Whether a text is the initials of a part of the body with three words: RCA, LUL."""
    return (
        _ABBREVIATED.fullmatch(text) is not None
        and full.lower().split()[-1:] != []
        and full.lower().split()[-1] in _PARTS
        and initials(full) == text
    )


def deed(text: str) -> str:
    """What something does, with its verb in one form: "pumping blood", "to pump blood", "it pumps blood"."""
    found = _DEED.fullmatch(text.lower().rstrip("."))
    if found is None:
        return ""
    verb = re.sub(r"(?:ing|es|s|e)$", "", found.group(1))
    return f"{verb} {canon.key(found.group(2))}"
