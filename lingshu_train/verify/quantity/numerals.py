"""Reads one number exactly: digits, powers of ten, mixed fractions, English and Chinese number words."""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache

from lingshu_train.verify.lexicon import counts, longest_first, texts
from lingshu_train.verify.quantity import units

# Exact arithmetic costs what its numbers are long: 9^9^9 or 1e99999 would take the process with them. Nothing that is
# measured has 40 digits or an exponent of 60.
_EXPONENT = 60
_NUMBER = re.compile(
    r"(?:[+-] ?)?"
    r"(?:[1-9][0-9]{0,2}(?:,[0-9]{3}){1,6}(?![0-9])|[1-9][0-9]{0,2}(?: [0-9]{3}){1,6}(?![0-9/.])|[0-9]{1,40})"
    r"(?:\.[0-9]{1,40})?"
    r"|[+-]?\.[0-9]{1,40}"
)
_DIGITS = frozenset("0123456789")
_MIXED = re.compile(r" ([0-9]{1,2})/([1-9][0-9]?)(?![0-9/])")
_POWER = re.compile(
    r" ?[x*] ?10 ?(?:\^|\*\*) ?[({]?([+-]?[0-9]{1,2})[)}]?(?![0-9])|[eE]([+-]?[0-9]{1,2})(?![0-9A-Za-z])"
)
_TEN_TO = re.compile(r" ?(?:\^|\*\*) ?[({]?([+-]?[0-9]{1,2})[)}]?(?![0-9])")
_SCALE = re.compile(r" ?(thousand|million|billion|万|千)(?![a-z克米])", re.IGNORECASE)
# "nine hundred and ninety-nine thousand nine hundred and ninety-nine" has 66 characters.
_SPELLED = 80
_HAN_NUMBER = re.compile("[零〇一二两三四五六七八九十百千万]{1,9}")
# Not a time of day: 三点五十分, 三点五分.
_HAN_DECIMALS = re.compile("点([零〇一二三四五六七八九]{1,9})(?!分[^钟]|分$|[十百千万点两半时刻])")
_HAN_PART = re.compile(
    "([零〇一二两三四五六七八九十百0-9.]{1,9})分之([零〇一二两三四五六七八九十百0-9.]{1,9})"
)


def opening(low: str, name: str) -> str:
    """The longest word or sign of a list of table numbers that a text starts with, as a whole word; else empty."""
    found = _openings(name).match(low)
    return found.group() if found else ""


@lru_cache(maxsize=8)
def _openings(name: str) -> re.Pattern[str]:
    # After a Latin word no letter may follow: "over" does not open "overlap".
    ended = [(entry, entry[-1].isascii() and entry[-1].isalpha()) for entry in longest_first("numbers", name)]
    return re.compile("|".join(re.escape(entry) + (r"(?![^\W\d_])" if word else "") for entry, word in ended))


def number(text: str, position: int) -> tuple[Fraction, int, units.Unit | None] | None:
    """The number at `position`, where it ends, and the percent unit of 百分之五十."""
    if text[position : position + 1] in _DIGITS and (plain := _NUMBER.match(text, position)):
        return (*_scaled(text, plain), None)
    low = text[position:].lower()
    minus = opening(low, "minus")
    if minus:
        start = position + len(minus)
        inner = number(text, start + (text[start : start + 1] == " "))
        return (-inner[0], inner[1], inner[2]) if inner and inner[0] > 0 else None
    found = _NUMBER.match(text, position)
    if found:
        return (*_scaled(text, found), None)
    if text[position : position + 1].isascii():
        named = _number_words(low)
        return (named[0], position + named[1], None) if named else None
    part = _HAN_PART.match(text, position)
    if part:
        below, above = _han(part.group(1)), _han(part.group(2))
        if below is None or above is None or not below:
            return None
        percent = part.group(1) == "百"
        return (above if percent else above / below), part.end(), units.expression("%") if percent else None
    for entry in ("一半", "半"):
        if text.startswith(entry, position):
            return Fraction(1, 2), position + len(entry), None
    han = _HAN_NUMBER.match(text, position)
    value = _han(han.group()) if han else None
    decimals = _HAN_DECIMALS.match(text, han.end()) if han and value is not None else None
    if decimals and value is not None:
        digits = "".join(str(counts("numbers", "digits_cn")[char]) for char in decimals.group(1))
        return value + Fraction(int(digits), 10 ** len(digits)), decimals.end(), None
    if han and value is not None and text.startswith(("个半小时", "个半月"), han.end()):
        return value + Fraction(1, 2), han.end() + len("个半"), None
    return (value, han.end(), None) if han and value is not None else None


def _scaled(text: str, found: re.Match[str]) -> tuple[Fraction, int]:
    value, end = _exact(found.group()), found.end()
    if end == len(text):
        return value, end
    mixed = _MIXED.match(text, end)
    if mixed and value.denominator == 1:
        part = Fraction(int(mixed.group(1)), int(mixed.group(2)))
        return (value + part if value >= 0 else value - part), mixed.end()
    power = _POWER.match(text, end)
    if power:
        exponent = int(power.group(1) or power.group(2))
        return (value * Fraction(10) ** exponent, power.end()) if abs(exponent) <= _EXPONENT else (value, end)
    ten = _TEN_TO.match(text, end) if value == 10 else None
    if ten and abs(int(ten.group(1))) <= _EXPONENT:
        return Fraction(10) ** int(ten.group(1)), ten.end()
    scale = _SCALE.match(text, end)
    if scale:
        name = scale.group(1).lower()
        factor = counts("numbers", "scales").get(name) or counts("numbers", "scales_cn")[name]
        return value * factor, scale.end()
    return value, end


def _exact(text: str) -> Fraction:
    """A decimal of the number grammar, exactly: Fraction reads text too, but many times slower."""
    whole, _, part = text.replace(",", "").replace(" ", "").partition(".")
    return Fraction(int(f"{whole}{part}"), 10 ** len(part)) if part else Fraction(int(whole))


def _number_words(low: str) -> tuple[Fraction, int] | None:
    """English number words below one million at the start of a text."""
    phrase = opening(low, "fractions")
    if phrase:
        return Fraction(texts("numbers", "fractions")[phrase]), len(phrase)
    total, current, end, position, seen = 0, 0, 0, 0, False
    for found in re.finditer(r"[ -]?([a-z]+)", low[:_SPELLED]):
        name = found.group(1)
        if found.start() != position or (not seen and found.group() != name):
            break
        small = counts("numbers", "words").get(name, counts("numbers", "tens").get(name))
        scale = counts("numbers", "scales").get(name)
        if small is not None and (
            current % 100 == 0 or (current % 10 == 0 and current % 100 >= 20 and small < 10)
        ):
            current += small
        elif scale is not None and seen and current:
            if scale == 100:
                current *= 100
            else:
                total, current = total + current * scale, 0
        elif not (name == "and" and seen and current % 100 == 0 and current >= 100):
            break
        position = found.end()
        if name != "and":
            seen, end = True, position
    half = " and a half"
    if seen and low.startswith(half, end) and not low[end + len(half) : end + len(half) + 1].isalpha():
        return total + current + Fraction(1, 2), end + len(half)
    return (Fraction(total + current), end) if seen else None


def _han(text: str) -> Fraction | None:
    """A Chinese number below ten thousand times ten thousand."""
    if re.fullmatch(r"[0-9]{1,9}(?:\.[0-9]{1,9})?", text):
        return Fraction(text)
    digits, scales = counts("numbers", "digits_cn"), counts("numbers", "scales_cn")
    total, current, last = 0, 0, 10**9
    for index, char in enumerate(text):
        if char in digits:
            if current and char not in "零〇":
                return None
            current = digits[char]
        else:
            scale = scales.get(char)
            if scale is None or scale >= last or (not current and index and char != "十"):
                return None
            total, current, last = total + (current or 1) * scale, 0, scale
    return Fraction(total + current)
