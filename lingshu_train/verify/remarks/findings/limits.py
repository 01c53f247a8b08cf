"""Normal limits, in the one word that they mean: "within normal limits" is normal, what exceeds them is what was asked."""

from __future__ import annotations

import re
from functools import lru_cache

from lingshu_train.verify.lexicon import lists, texts
from lingshu_train.verify.text import asks, canon

_SIZE = "(?:size|sizes|caliber|calibre|width|diameter|volume|thickness|limits?|range|shape|contour|position|appearance)"
_WITHIN = re.compile(
    rf"\b(?:(?:within|in|of|at) )?(?:the )?normal(?: in)? {_SIZE}\b(?: and {_SIZE}\b)?"
    rf"|\bnot (?:exceed|exceeding) normal {_SIZE}\b"
)
_MORE = re.compile(r"than|beyond|above|outside|exceed|over")
_LIMITS = re.compile(r"limit|range")
_BEYOND = re.compile(
    r"\b(?:beyond|above|outside|exceeds?|exceeding|over|larger than|greater than|wider than|bigger than|more than)(?: of)?"
    rf"(?: the)?(?: upper)?(?: limits? of)? normal(?: {_SIZE})?\b|\b(?:larger|greater|wider|bigger) than normal\b"
)

# Measures whose limit is the same in every book.
_KNOWN_LIMITS = {"cardiothoracic ratio": 0.5}
_MEASURE = re.compile(
    r"\b(cardiothoracic ratio)(?: (?:is|was|of|being|measures))* "
    r"(?:(greater than|more than|larger than|above|over|exceeding|exceeds|less than|smaller than|below|under|of|is|>|<) ?)?"
    r"([0-9]+(?:\.[0-9]+)?) ?(%|percent)?"
)
_LESS = frozenset(("less than", "smaller than", "below", "under", "<"))
_EXACT = frozenset(("", "of", "is"))


def measured(clause: str) -> tuple[str, list[str]]:
    """What a clause says by a measure whose limit is known: "abnormal" above it, "normal" at most there, empty for neither;
    and the words beside the measure.
    """
    found = _MEASURE.search(clause) if "ratio" in clause else None
    if found is None:
        return "", []
    beside = canon.tokenize(clause[: found.start()] + clause[found.end() :])
    limit, how = _KNOWN_LIMITS[found.group(1)], found.group(2) or ""
    value = float(found.group(3)) / (100 if found.group(4) or float(found.group(3)) > 1 else 1)
    if how in _EXACT:
        return "abnormal" if value > limit else "normal", beside
    if how in _LESS:
        return "normal" if value <= limit else "", beside
    return "abnormal" if value >= limit else "", beside


def plain(text: str, question: str) -> str:
    """A text with its turns for normal and beyond normal in one word each."""
    if "normal" not in text or (text.endswith("normal") and not _MORE.search(text)):
        return text
    beyond = _beyond(question)
    if beyond and _BEYOND.search(text):
        # "Dilated beyond normal limits" says so already.
        said = {canon.word(token) for token in canon.tokenize(text)}
        text = _BEYOND.sub("" if beyond in said else beyond, text)
    else:
        text = _BEYOND.sub("large", text)
    # A question for a normal size is answered in its own words.
    asked = asks.asks_normal(question)
    return _WITHIN.sub(
        lambda found: "normal" if not asked or _LIMITS.search(found.group()) else found.group(), text
    )


def denied(text: str, question: str) -> bool:
    """Whether a text says of any measure that it is normal, where the question asks for its opposite: of whatever it
    says so, "the aortic diameter is within normal limits" is no dilated aorta. Not where it names that opposite too.
    """
    found = _WITHIN.search(text) if "normal" in text else None
    if (
        found is None
        or found.group().strip() == "normal"
        or re.search(r"\b(?:not|n't|never|no longer|but)\b", text)
    ):
        return False
    beyond = _beyond(question)
    asked = beyond and not asks.asks_normal(question)
    same = texts("words", "same")
    said = {canon.word(same.get(token, token)) for token in canon.tokenize(text)}
    return bool(asked) and beyond not in said and _BEYOND.search(text) is None


@lru_cache(maxsize=4096)
def _beyond(question: str) -> str:
    """The word of a question that "beyond normal limits" says: the opposite of normal that it asks for."""
    if asks.asks_normal(question):
        return "abnormal"
    opposites = lists("words", "opposites")
    asked = [canon.word(token) for token in canon.tokenize(question)]
    return next((word for word in asked if "normal" in opposites.get(word, ())), "")
