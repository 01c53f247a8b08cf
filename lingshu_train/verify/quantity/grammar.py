"""Reads one quantity: label? approximation? comparator? value unit?

A value is a number, a range, a pair or a list of sizes.

The grammar must match the whole text. Arithmetic is exact (fractions); at most 40 digits and exponents up
to 60.
"""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

from lingshu_train.verify.lexicon import longest_first, texts, words
from lingshu_train.verify.quantity import counted
from lingshu_train.verify.quantity.numerals import number, opening
from lingshu_train.verify.quantity.units import Unit, leading
from lingshu_train.verify.text import canon

# No two of them fit at one place: their order is free.
_JOINT = {
    "dims": re.compile(r" ?(?:x|\*|by|乘以?) ?(?=[0-9.])", re.IGNORECASE),
    "range": re.compile(r" ?(?:-|~|至|到) ?(?=[0-9.])| to (?=[0-9.a-z+-])| and (?=[0-9.])", re.IGNORECASE),
    "ratio": re.compile(r" ?/ ?(?=[0-9])| over (?=[0-9])| out of (?=[0-9])", re.IGNORECASE),
    "proportion": re.compile(r" ?: ?(?=[0-9])"),
    "margin": re.compile(r" ?(?:±|\+/-|\+-) ?(?=[0-9.])"),
}
# "4 in total" has no inches, "4 in x 5 in" has.
_IN_WORD = re.compile(r" in (?!x |by )[a-z]", re.IGNORECASE)
# 每分钟72次 is 72次/分钟.
_EACH = re.compile(r"([^0-9每]{0,20})每(分钟|分|小时|天|日|千克|公斤|升)([^每/]+)")
_LABEL_WORD = re.compile(r"-?([A-Za-z]+)(?:'s)?|([:=])")
_COPULA = frozenset(
    ("is", "was", "are", "of", "the", ":", "=", "a", "an", "has", "have", "there", "it", "in", "on", "for")
)
_FILL = frozenset(
    (
        "size",
        "dimension",
        "dimensions",
        "in",
        "of",
        "the",
        "are",
        "is",
        "visible",
        "seen",
        "present",
        "total",
        "there",
        "shown",
        "a",
        "at",
    )
)
_COUNTED = re.compile(r"\bhow many ((?:[a-z-]+ ){0,3}[a-z-]+)", re.IGNORECASE)
_TOO_MANY_DIGITS = re.compile(r"[0-9]{41}")


# Labels of the stress rounds have up to four words ("the ejection fraction is"); more than ten are a sentence.
_LABEL_WORDS = 10
# "between", "about" and "less than", each once, may stand before a number.
_BEFORE_NUMBER = 3
# A size has three parts. A fourth is read so that it differs; whatever follows it matches nothing.
_PARTS = 4


class Quantity(NamedTuple):
    """One quantity. `values` are as written, `units` the unit of each (None: none written).

    Kinds: scalar, range, dims, proportion, margin; ratio (120/80 mmHg, 1/2 mg) and pair (120 mmHg/80 mmHg), which no
    division makes a number.
    """

    kind: str
    values: tuple[Fraction, ...]
    units: tuple[Unit | None, ...]
    comparator: str = ""

    @property
    def bases(self) -> tuple[Fraction, ...]:
        """Values in base units."""
        return tuple(
            value * unit.factor if unit and unit.factor != 1 else value
            for value, unit in zip(self.values, self.units, strict=True)
        )

    @property
    def unit(self) -> Unit | None:
        return self.units[0]


def parse(text: str, question: str) -> Quantity | None:
    """The quantity a cleaned text states as a whole; None where the grammar does not match to the end."""
    if _TOO_MANY_DIGITS.search(text):
        return None
    each = _EACH.fullmatch(text) if "每" in text else None
    if each:
        text = f"{each.group(1)}{each.group(3)}/{each.group(2)}"
    asked = asked_words(question)
    position = before = 0
    for _ in range(_LABEL_WORDS):
        found = _head(text, position)
        if found is not None:
            if position and _names_one(text[before:position], question):
                return None
            comparator, start, kind = found
            return _values(text, start, comparator, kind, asked)
        after = _label(text, position, asked, question)
        if after == position:
            return None
        before, position = position, after
    return None


def _names_one(label: str, question: str) -> bool:
    """Whether a number behind this word is no measure: "rib 4" is no count of ribs, "in 20 weeks" no age."""
    asked_of = _COUNTED.search(question)
    plain = label.strip().lower()
    if asked_of is None:
        return plain == "in"
    return (
        plain.isalpha()
        and plain not in _COPULA
        and canon.word(plain) in map(canon.word, asked_of.group(1).lower().split())
    )


@lru_cache(maxsize=4096)
def asked_words(question: str) -> frozenset[str]:
    """Canonical words of a question that may label a value or name what is counted."""
    barred = words("words", "negation") | words("words", "hedge") | words("words", "choice")
    found = {canon.word(token) for token in canon.tokenize(question) if token not in barred}
    return frozenset(token for token in found if token.isalpha())


def _head(text: str, position: int) -> tuple[str, int, str] | None:
    """Comparator, start of the number and kind of value at `position`; None where no value starts here."""
    start, comparator, kind = position, "", ""
    if text[start : start + 1].isdigit():
        return comparator, start, kind
    for _ in range(_BEFORE_NUMBER):
        start += len(text[start:]) - len(text[start:].lstrip())
        low = text[start:].lower()
        for word in ("between ", "from "):
            if low.startswith(word):
                start, kind = start + len(word), "range"
        low = text[start:].lower()
        if low[:1].isdigit():
            break
        approx, sign = opening(low, "approx"), opening(low, "comparators")
        if approx:
            start += len(approx)
        elif sign and not comparator:
            comparator = texts("numbers", "comparators")[sign]
            start += len(sign)
    start += len(text[start:]) - len(text[start:].lstrip())
    return (comparator, start, kind) if number(text, start) is not None else None


def _label(text: str, position: int, asked: frozenset[str], question: str) -> int:
    """The end of one label word at `position`, or `position` itself."""
    start = position + len(text[position:]) - len(text[position:].lstrip())
    found = _LABEL_WORD.match(text, start)
    if found:
        plain = (found.group(1) or found.group(2)).lower()
        known = canon.word(plain) in asked or plain in _COPULA or _labels(plain, asked, question)
        return found.end() if known else position
    for entry in ("是", "为", "有", "的", *longest_first("numbers", "labels")):
        if not entry.isascii() and text.startswith(entry, start) and _allowed(entry, asked, question):
            return start + len(entry)
    length = 0
    while (
        start + length < len(text)
        and "\u3400" <= text[start + length] <= "\u9fff"
        and text[start : start + length + 1] in question
    ):
        length += 1
    return start + length if length >= 2 else position


def _labels(plain: str, asked: frozenset[str], question: str) -> bool:
    """Whether a word of the closed list may label the value of this question."""
    return plain in words("numbers", "labels") and _allowed(plain, asked, question)


def _allowed(label: str, asked: frozenset[str], question: str) -> bool:
    """False for another property than the one asked: "the volume is" where the question wants a diameter."""
    properties = words("numbers", "properties")
    if label not in properties or label in question:
        return True
    if label.isascii():
        return properties.isdisjoint(asked)
    return not any(name in question for name in properties if not name.isascii())


def _values(text: str, start: int, comparator: str, kind: str, asked: frozenset[str]) -> Quantity | None:
    first = _measure(text, start)
    if first is None:
        return None
    values, found_units, position = [first[0]], [first[1]], first[2]
    while len(values) < _PARTS:
        joint = _joint(text, position, kind)
        if joint is None:
            break
        name, after = joint
        following = _measure(text, after)
        if following is None:
            return None
        if name == "ratio" and kind == "ratio":
            return None
        kind = name
        values.append(following[0])
        found_units.append(following[1])
        position = following[2]
        if kind != "dims":
            break
    if kind == "range" and len(values) == 1:
        return None
    ended = _end(text[position:], asked)
    if ended is None or (ended and comparator):
        return None
    last = found_units[-1]
    if last is None and text[position:].lstrip()[:1] == "'":
        return None
    if (
        last is None
        and text[position - 1 : position].isdigit()
        and "a" <= text[position : position + 1].lower() <= "z"
    ):
        # A letter glued to the number belongs to it: category 4a is not 4.
        return None
    if kind == "ratio" and found_units[0] is not None:
        kind = "pair"
    every = tuple(unit if unit is not None else last for unit in found_units)
    return Quantity(kind or "scalar", tuple(values), every, comparator or ended)


def _joint(text: str, position: int, kind: str) -> tuple[str, int] | None:
    for name, pattern in _JOINT.items():
        found = pattern.match(text, position)
        if found and kind in ("", name):
            if name == "range" and " and" in found.group() and kind != "range":
                continue
            return name, found.end()
    return None


def _measure(text: str, position: int) -> tuple[Fraction, Unit | None, int] | None:
    """A number and the unit written after it."""
    found = number(text, position)
    if found is None:
        return None
    value, after, own = found
    if own is not None:
        return value, own, after
    rest = (
        text[after:].replace("-", " ", 1)
        if text[after : after + 1] == "-" and text[after + 1 : after + 2].isalpha()
        else text[after:]
    )
    if _JOINT["ratio"].match(rest) or _JOINT["dims"].match(rest):
        return value, None, after
    unit = leading(rest)
    if _IN_WORD.match(rest):
        unit = None
    return (value, unit[0], after + unit[1]) if unit else (value, None, after)


def _end(rest: str, asked: frozenset[str]) -> str | None:
    """What may follow the unit: nothing, a classifier, words of the question, or "or more". None: anything
    else.
    """
    rest = rest.strip()
    if not rest:
        return ""
    for entry, comparator in texts("numbers", "comparators_after").items():
        if rest.lower() == entry:
            return comparator
    if rest in ("左右", "上下", "许"):
        return ""
    tokens = canon.tokenize(rest)
    if counted.only_present(tokens, asked):
        return None
    for token in tokens:
        single = canon.word(token)
        if single in asked or token in _FILL or (not token.isascii() and counted.named(token, asked)):
            continue
        return None
    return "" if not words("words", "negation") & set(tokens) else None
