"""What two texts must have in common where one was rewritten from the other: numbers with what they count, and sides."""

from __future__ import annotations

import re
from collections.abc import Mapping

_NUMBER = re.compile(
    r"\d+(?:[.,]\d+)?(?:\s*(?:%|°|(?:[mµμck]?m|mmhg|m?l|dl|k?g|m[cg]?g|µg|iu|k?hz|t|h|min|s)\b))?",
    re.IGNORECASE,
)
_SIDES: Mapping[str, str] = {
    "left": r"\bleft(?:-sided|ward)?\b|左",
    "right": r"\bright(?:-sided|ward)?\b|右",
    "bilateral": r"\bbilateral(?:ly)?\b|\bboth\b|双侧",
}


def numbers(text: str) -> frozenset[str]:
    """The numbers of a text, each with the unit that stands behind it."""
    return frozenset(re.sub(r"\s+", "", one.casefold()).replace(",", ".") for one in _NUMBER.findall(text))


def sides(text: str) -> frozenset[str]:
    """The sides that a text names."""
    return frozenset(side for side, pattern in _SIDES.items() if re.search(pattern, text, re.IGNORECASE))


def invented(source: str, text: str) -> str:
    """A number of a text that its source does not have; empty where it has all."""
    return min(numbers(text) - numbers(source), default="")
