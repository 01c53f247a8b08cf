"""Units as products of table entries ("mg/kg/h"), converted exactly inside one dimension."""

from __future__ import annotations

import re
from fractions import Fraction
from functools import cache, lru_cache
from typing import NamedTuple

from lingshu_train.verify.lexicon import groups, lists, texts, words
from lingshu_train.verify.text.canon import word

Dimension = tuple[tuple[str, int], ...]

_POWER = re.compile(r"(.*?)(?:\^([+-]?[1-3]))?")
_LATIN = re.compile(r"[A-Za-z]+")
_PIECE = re.compile(r"1\.73 ?m\^?2|[A-Za-zμ°%']+|[0-9]+|\S")
_IN_QUESTION = re.compile(
    r"(?:\bin (?:the )?|\bhow many |\(in |\(|多少|几)([A-Za-zμ°%/^0-9\u3400-\u9fff ]{1,40})", re.IGNORECASE
)
# Twice the pieces of ml/min/1.73 m^2, and twice the characters of 立方毫米, the longest names of the table.
_PIECES, _HAN = 10, 8


class Unit(NamedTuple):
    """A product of base dimensions and the exact factor to their base units."""

    dimension: Dimension
    factor: Fraction


def compatible(one: Unit, other: Unit) -> bool:
    """Whether a value in one unit can be converted to the other. Beats and breaths may stay unsaid, not be
    swapped.
    """
    if one.dimension == other.dimension:
        return True
    generic = words("units", "generic")
    named = [tuple(name for name, _ in unit.dimension if name in generic) for unit in (one, other)]
    bare = [tuple(part for part in unit.dimension if part[0] not in generic) for unit in (one, other)]
    return bare[0] == bare[1] and bool(bare[0]) and () in named


def leading(text: str) -> tuple[Unit, int] | None:
    """The longest unit at the start of a text and its length; None where the text starts with no unit."""
    ends = [found.end() for _, found in zip(range(_PIECES), _PIECE.finditer(text), strict=False)]
    han = re.match(r"[\u3400-\u9fff/]+", text.lstrip())
    if han:
        offset = len(text) - len(text.lstrip())
        ends = sorted({*ends, *(offset + length for length in range(1, min(han.end(), _HAN) + 1))})
    for end in reversed(ends):
        if (
            text[end : end + 1].isalpha()
            and text[end : end + 1].isascii()
            and text[end - 1 : end].isascii()
            and text[end - 1 : end].isalpha()
        ):
            continue
        if text[end - 1 : end] == "-":
            continue
        unit = expression(text[:end].strip())
        if unit is not None:
            return unit, end
    return None


@lru_cache(maxsize=4096)
def expression(text: str) -> Unit | None:
    """A whole text as a unit; None where any part is not in the table."""
    if _mega(text):
        return None
    plain = text.lower()
    listed = plain in _names() and text not in _cased()
    text = plain if listed else _spell(text).strip()
    if not text.strip("/"):
        return None
    powers: dict[str, int] = {}
    factor = Fraction(1)
    for index, term in enumerate(part.strip() for part in text.split("/")):
        if not term and index == 0:
            continue
        found = _term(term)
        if found is None:
            return None
        sign = 1 if index == 0 else -1
        factor *= found.factor**sign
        for name, power in found.dimension:
            powers[name] = powers.get(name, 0) + sign * power
    ignored = words("units", "ignored")
    return Unit(
        tuple(sorted((name, power) for name, power in powers.items() if power and name not in ignored)),
        factor,
    )


def named_in(question: str) -> Unit | None:
    """The one unit a question asks the answer in ("in mm", "how many days", 多少厘米); None for none or
    several.
    """
    found = set()
    for match in _IN_QUESTION.finditer(question):
        unit = leading(match.group(1))
        if unit is not None and unit[0].dimension:
            found.add(unit[0])
    return found.pop() if len(found) == 1 else None


def _spell(text: str) -> str:
    text = re.sub(r" ?/ ?", "/", re.sub(r"\bper\b|每", "/", text.replace("-", " ")))
    aliases = texts("units", "aliases")
    low = text.lower()
    if low in aliases:
        return aliases[low]
    return _LATIN.sub(_word, text) if not text.islower() or " " in text or len(text) > 3 else text


def _word(found: re.Match[str]) -> str:
    text = found.group()
    if len(text) <= 3 and text.lower() not in ("hrs", "yrs", "mos", "wks"):
        return text
    single = word(text.lower())
    return single if text.lower() != "celsius" else "celsius"


@lru_cache(maxsize=2048)
def _term(text: str) -> Unit | None:
    product = texts("units", "case_sensitive_aliases").get(text)
    if product is not None:
        return expression(product)
    fixed = lists("units", "case_sensitive").get(text)
    if fixed is not None:
        name, factor = fixed
        return None if name == "none" else Unit(((name, 1),) if name else (), Fraction(factor))
    if _mega(text):
        return None
    known = _names()
    low = text.lower().rstrip(".")
    if low in known:
        return known[low]
    aliases = texts("units", "aliases")
    if low in aliases:
        return expression(aliases[low])
    parts = _POWER.fullmatch(low)
    if parts and parts.group(2) and parts.group(1) in known:
        base, power = known[parts.group(1)], int(parts.group(2))
        return Unit(tuple((name, one * power) for name, one in base.dimension), base.factor**power)
    return None


def _mega(text: str) -> bool:
    """Whether a capital M makes mega of a unit that the table has with milli: MGy. All capitals may be mere style."""
    if text[:1] != "M" or text.isupper() or text in _cased():
        return False
    milli, whole = _names().get(text.lower()), _names().get(text[1:].lower())
    return milli is not None and whole is not None and milli == Unit(whole.dimension, whole.factor / 1000)


@cache
def _cased() -> frozenset[str]:
    """What is a unit only as it is spelled: mV and MV, mM and MM."""
    return words("units", "case_sensitive") | words("units", "case_sensitive_aliases")


@cache
def _names() -> dict[str, Unit]:
    known: dict[str, Unit] = {}
    for dimension, entries in groups("units", "units").items():
        for variants, factor in entries.items():
            for variant in variants.split("|"):
                known[variant] = Unit(((dimension, 1),), Fraction(factor))
                if (
                    variant.isascii()
                    and variant.isalpha()
                    and variant.endswith(("r", "k", "c", "n"))
                    and len(variant) in (2, 3)
                ):
                    known.setdefault(variant + "s", known[variant])
    return known
