"""Where an answer lies, said behind it: "the spleen, which is located in the left upper quadrant", "a pneumothorax on the right
side". It is no part of the answer where no option and nothing that was asked is a place.
"""

from __future__ import annotations

import re

from lingshu_train.verify.lexicon import words
from lingshu_train.verify.remarks.findings.vocabulary import opposite_place, plain

_CLAUSE = re.compile(
    r",? (?:which|that) (?:(?:is|are|lies|lie|sits?) (?:clearly )?(?:located |situated |seen |found |visible |shown )?"
    r"|(?=occup|fill|takes? up))"
    r"((?:in|at|on|within|under|below|above|behind|along|occup(?:ies|ying)|fill(?:s|ing)|takes? up) [a-z][a-z -]{1,80})$",
    re.IGNORECASE,
)
_SMALL = frozenset(
    (
        "the",
        "a",
        "an",
        "of",
        "in",
        "at",
        "on",
        "within",
        "under",
        "below",
        "above",
        "behind",
        "along",
        "and",
        "to",
    )
)
_SMALL |= {
    "side",
    "body",
    "image",
    "picture",
    "most",
    "majority",
    "front",
    "much",
    "part",
    "occupies",
    "occupying",
    "fills",
    "filling",
}
_SMALL |= {"takes", "take", "up", "and", "to"}
_PHRASE = re.compile(
    r"(?<=[a-z]),? (?:in|on|at|within|of|involving|next to|adjacent to|beside|close to|behind|in front of|anterior to"
    r"|posterior to) (?:the |both |its )?([a-z][a-z -]{2,60})$",
    re.IGNORECASE,
)
_ASKS_PLACE = re.compile(
    r"\b(?:where|location|located|side|which (?:lobe|part|region|area|side|organ|segment|quadrant))\b",
    re.IGNORECASE,
)


def without_clause(text: str) -> str:
    """A text without a relative clause at its end that says where the answer lies, and no more."""
    found = _CLAUSE.search(text)
    if found is None:
        return text
    known = words("vocabulary", "places") | _SMALL
    said = re.split("[ -]", found.group(1).lower())
    return text[: found.start()] if all(word in known for word in said if word) else text


def without_phrase(text: str, question: str, offered: frozenset[str]) -> str:
    """A text without a phrase at its end that names a place alone. `offered`: the words of all options."""
    found = _PHRASE.search(text)
    if found is None or _ASKS_PLACE.search(question):
        return text
    said = frozenset(word for word in re.split("[ -]", found.group(1).lower()) if word)
    places = words("vocabulary", "places")
    if not said <= places | _SMALL or said & offered or not said & places:
        return text
    asked = frozenset(map(plain, re.findall("[a-z]+", question.lower())))
    return text if opposite_place(asked, frozenset(map(plain, said))) else text[: found.start()]
