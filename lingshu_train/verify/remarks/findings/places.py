"""What a clause without a finding says: where, how large, on which picture; or of something else altogether."""

from __future__ import annotations

from functools import cache

from lingshu_train.verify.lexicon import words
from lingshu_train.verify.remarks.findings.vocabulary import known, plain

_LONGEST_NUMBER = 3
_VERBS = frozenset(
    (
        "is",
        "are",
        "was",
        "were",
        "has",
        "have",
        "can",
        "appear",
        "appears",
        "lies",
        "measures",
        "extends",
        "involves",
    )
)
_SUBJECTS = frozenset(
    ("it", "this", "that", "these", "they", "there", "which", "one", "a", "an", "the", "of", "in", "on", "1")
)
# Any device may be called so.
_ANY_DEVICE = frozenset(("tube", "line", "catheter", "lead", "device", "wire"))


def alone(tokens: list[str], asked: frozenset[str], *, described: bool) -> bool:
    """Whether a clause that names no finding says no more than where, how large and on which picture: "in the left lung", "it
    measures 5 cm", and not "the angles are seen", "it is up to you". `described`: a question asks for a property, whose
    name the clause may not change.
    """
    spoken = list(map(plain, tokens))
    if any(word.isdigit() and len(word) > _LONGEST_NUMBER for word in spoken):
        return False
    allowed = known("bare") | known("places") | known("sizes") | asked
    if not all(word in allowed or word[0].isdigit() for word in spoken):
        return False
    if described and not (frozenset(spoken) - asked - _sizes()).isdisjoint(known("describing")):
        return False
    verb = next((place for place, token in enumerate(tokens) if token in _VERBS), -1)
    subjects = known("pictures") | known("sizes") | asked
    return verb < 0 or all(word in _SUBJECTS or word in subjects for word in spoken[:verb])


@cache
def _sizes() -> frozenset[str]:
    return frozenset(map(plain, words("words", "sizes")))


def other_description(asked: frozenset[str], said: frozenset[str]) -> bool:
    """Whether a clause describes in other words than a question that asks for a description: oval for round."""
    listed = known("describing")
    return not asked.isdisjoint(listed) and bool((said - asked) & listed)


def other_device(asked: frozenset[str], said: frozenset[str]) -> bool:
    """Whether a clause names another device than the one that a question asks for, and not that one."""
    listed = known("devices")
    ours, theirs = asked & listed, said & listed
    return bool(ours - _ANY_DEVICE and theirs - _ANY_DEVICE) and ours.isdisjoint(theirs)
