"""A yes or no in a part of its sentence: "It does", "It is present", "There is one", or the question's predicate alone:
"Enlarged", "not enlarged".
"""

from __future__ import annotations

import re
from functools import cache, lru_cache

from lingshu_train.verify.lexicon import lists, words
from lingshu_train.verify.remarks.findings import statements
from lingshu_train.verify.text import asks

_AUXILIARY = "is|are|was|were|does|do|did|has|have|had|can|could|will"
_ASKS = re.compile(rf"(?:^|, )({_AUXILIARY}) (there\b)?", re.IGNORECASE)
# A question with "or", or one that denies: the same words could mean either.
_OPEN = re.compile(r"\b(?:or|not|no|never|without|absent|missing|gone|free|lack|longer)\b|n't", re.IGNORECASE)
_DOES = re.compile(
    rf"(?:it|this|that|they|these|he|she|the patient|(there)) (?:indeed |certainly |clearly )?({_AUXILIARY})( not|n't)?"
)
_PRESENT = re.compile(
    r"(?:it|this|that|they|these) (?:is|are|was|were) (not )?(?:clearly |indeed )?"
    r"(present|visible|seen|shown|noted|there|evident|absent)"
)
_ONE = re.compile(r"there (?:is|are) (?:indeed )?(?:one|some)")
_PREDICATE = re.compile(
    r"^(?:is|are|was|were) (?:the|this|these|his|her|both|all) (?:[a-z' -]+ )?([a-z-]{4,})\W*$"
)
_ADJECTIVES = ("ed", "al", "ous", "ic", "ar", "ive", "ent", "ant", "oid", "id")
_WHEN = "in|after|before|during|among|for|with|following|at|on"
_LAST_PHRASE = re.compile(
    r"((?:does|do|did|can|will) .*|(?:is|are|was|were) .*(?:need|requir|recommend|indicat|advis|allow|improv|reduc|increas"
    rf"|decreas)ed|(?:is|are|was|were) .*(?:associated|linked|related|correlated) (?:with|to) .*)"
    rf" (?:{_WHEN}) (?:(?! (?:{_WHEN}) ).)+$"
)
# Without its place a question with one of these asks nothing: "Does the lesion lie in the left lung?"
_PLACING = frozenset(
    [
        "lie",
        "extend",
        "occur",
        "sit",
        "appear",
        "originate",
        "arise",
        "belong",
        "point",
        "project",
        "drain",
        "insert",
        "end",
        "start",
        "begin",
        "result",
        "look",
        "reside",
    ]
)
# "Is fasting needed": fewer words hold no subject and predicate.
_FEWEST = 3
_NAMES = re.compile(r"\b(?:an?|any|in|on|at|of|within|near|by|from|with|to) [a-z' -]+$")


def sign(text: str, question: str) -> str:
    """ "yes" or "no" where a text in small letters is such a part; empty elsewhere."""
    aux, there = _auxiliary(question)
    if not aux:
        return ""
    if found := _DOES.fullmatch(text):
        same = found.group(2) == aux and bool(found.group(1)) == there
        return "" if not same else "no" if found.group(3) else "yes"
    if found := _PRESENT.fullmatch(text):
        denied = bool(found.group(1)) != (found.group(2) == "absent")
        return asks.sign_of("absent" if denied else "exists", question)
    if there and _ONE.fullmatch(text):
        return "yes"
    return _predicated(text, question)


@lru_cache(maxsize=4096)
def _auxiliary(question: str) -> tuple[str, bool]:
    """The verb with which a question asks, and whether "there" follows; empty where it offers a choice or denies."""
    found = None if _OPEN.search(question) else _ASKS.search(question)
    return (found.group(1).lower(), bool(found.group(2))) if found else ("", False)


def _predicated(text: str, question: str) -> str:
    """The sign of a question's last adjective, its denial or its opposite, standing alone."""
    predicate, contrary, alike = _predicate(question)
    if not predicate:
        return ""
    denied = text.startswith("not ")
    word = text.removeprefix("not ")
    if word in alike:
        return "no" if denied else "yes"
    return "no" if word in contrary and not denied else ""


@lru_cache(maxsize=4096)
def _predicate(question: str) -> tuple[str, frozenset[str], frozenset[str]]:
    """What a question says of its subject ("enlarged" of "Is the spleen enlarged?"), its opposites, and words for the same."""
    low = question.lower()
    found = _PREDICATE.match(low)
    word = found.group(1) if found else ""
    # A side may be the word for correct, and a noun is an echo.
    state = word in lists("words", "opposites") or word in _states()
    if found is None or not state or word in words("words", "sides") or _NAMES.search(low[: found.end(1)]):
        return "", frozenset(), frozenset()
    contrary = frozenset(lists("words", "opposites").get(word, ())) - words("vocabulary", "entities")
    alike = frozenset((word,))
    if word in words("vocabulary", "questions_normal"):
        alike |= words("words", "normal")
        contrary |= words("words", "abnormal")
    return word, contrary - alike, alike


@cache
def _states() -> frozenset[str]:
    """Adjectives that a question may say of its subject; nouns would be an echo."""
    said = (
        words("vocabulary", "questions_normal")
        | words("vocabulary", "describing")
        | words("vocabulary", "places")
    )
    said |= words("vocabulary", "abnormal") - words("vocabulary", "entities")
    return frozenset(word for word in said if word.endswith(_ADJECTIVES)) | words(
        "vocabulary", "questions_normal"
    )


@lru_cache(maxsize=4096)
def shorter(question: str) -> str:
    """A question without the phrase at its end that says when, where or for whom, where it asks what something does: "Does
    prone positioning lower mortality". Empty where there is none, or where it asks for existence or place.
    """
    low = question.lower().strip("? ")
    found = _LAST_PHRASE.match(low)
    if found is None or _OPEN.search(low) or not words("words", "shows").isdisjoint(low.split()):
        return ""
    asked = found.group(1).split()
    return found.group(1) if len(asked) >= _FEWEST and asked[-1] not in _PLACING else ""


def restated(text: str, question: str) -> str:
    """The sign of a statement of what a question asks, without when or for whom: "Prone positioning lowers mortality"."""
    asked = shorter(question)
    return statements.statement(text, asked) if asked else ""
