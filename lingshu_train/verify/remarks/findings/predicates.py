"""What an English yes/no question says of its subject, without which a statement answers nothing: the "round" of "Is the lesion
round?", the "normal" of "Is this a normal ECG?", the left lung of "Is the mass in the left lung?".
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from lingshu_train.verify.lexicon import lists, texts, words
from lingshu_train.verify.remarks.findings.vocabulary import known, plain

_ASKS = re.compile(r"(?:^|, )(is|are|was|were|does|do|did) (?!there\b)(.+?)\W*$")
_IDENTITY = re.compile(r"(?:this|it|that|these|they|those) (?:an? )?(?:(?:kind|type) of )?(.+)")
_SUBJECT = re.compile(r"(?:the|this|that|these|his|her|both|all|any) .+")
_PLACE = re.compile(
    r"\b(?:in|on|at|within|inside|near|from|of|with|for|by|through|to|into|under|above|below|behind|between) "
)
_WORD = re.compile(r"[a-z0-9]+")
_PLACING = frozenset(
    ("lie", "lies", "end", "ends", "sit", "sits", "terminate", "terminates", "project", "arise")
)
# "The mass solid": a subject and what is said of it.
_FEWEST = 3
_ENDINGS = ("al", "ous", "ic", "ar", "ed", "ive", "oid")
# How a line runs.
_RUNNING = frozenset(("oblique", "spiral", "transverse", "axial", "longitudinal", "vertical", "horizontal"))
_UNSAID = frozenset(("weighted", "x", "type"))


class Predicate(NamedTuple):
    """`required`: words in the form of `plain`, all of which a statement must say; empty where nothing is known. `property`:
    the one adjective that is asked for, empty where it is something else.
    """

    required: frozenset[str]
    property: str = ""


@lru_cache(maxsize=4096)
def asked(question: str) -> Predicate:
    """What a question says of its subject."""
    found = _ASKS.search(question.lower()) if question.isascii() else None
    if found is None or " or " in question.lower():
        return Predicate(frozenset())
    verb, rest = found.groups()
    if verb.startswith("d"):
        return _of_deed(rest)
    named = _IDENTITY.fullmatch(rest)
    if named is not None:
        return Predicate(frozenset(_content(_PLACE.split(named.group(1))[0])[:-1]))
    if _SUBJECT.fullmatch(rest) is None:
        return Predicate(frozenset())
    *_, last = _PLACE.split(rest)
    if last != rest:
        return Predicate(frozenset(_content(last)) if _located(rest) else frozenset())
    word = rest.split()[-1]
    if word in words("words", "visible") or len(rest.split()) < _FEWEST or plain(word) not in _adjectives():
        return Predicate(frozenset())
    return Predicate(frozenset((plain(word),)), plain(word))


def said(text: str, question: str) -> bool:
    """Whether a statement in small letters says what its question asks of the subject, or denies an opposite of it."""
    required = asked(question).required
    if not required:
        return True
    tokens = _WORD.findall(text)
    spoken = frozenset(
        plain(part) for token in tokens for part in texts("words", "same").get(token, token).split()
    )
    denied = not words("words", "negation").isdisjoint(tokens)
    return all(
        word in spoken
        or (denied and not spoken.isdisjoint(map(plain, lists("words", "opposites").get(word, ()))))
        for word in required
    )


def other(spoken: frozenset[str], question: str) -> bool:
    """Whether a clause says another property of the same kind than the one asked for: oval for round, venous for arterial."""
    word = asked(question).property
    if not word or word in spoken:
        return False
    kinds = [known(kind) for kind in ("describing", "places") if word in known(kind)]
    more = frozenset[str]().union(*kinds) - known("sizes") - known("organs")
    more |= _RUNNING if word in _RUNNING else frozenset()
    return not more.isdisjoint(one for one in spoken if one.endswith(_ENDINGS) or one in known("describing"))


def _of_deed(rest: str) -> Predicate:
    """What is said with a verb of place: "Does the tube end in the stomach?"."""
    *_, last = _PLACE.split(rest)
    placing = last != rest and not _PLACING.isdisjoint(rest.split())
    return Predicate(frozenset(_content(last)) if placing else frozenset())


def _located(rest: str) -> bool:
    """Whether what stands between subject and place is no property of its own: "the mass (seen) in the left lung"."""
    before = _PLACE.split(rest)[-2].split()
    last = before[-1] if before else ""
    return (
        last in words("words", "visible")
        or last in ("located", "situated")
        or plain(last) in known("abnormal")
    )


def _content(text: str) -> list[str]:
    listed = words("words", "stop") | words("findings", "pictures") | _UNSAID
    return [plain(word) for word in _WORD.findall(text) if word not in listed]


def _adjectives() -> frozenset[str]:
    return known("describing") | known("places") | known("abnormal") | known("normal")
