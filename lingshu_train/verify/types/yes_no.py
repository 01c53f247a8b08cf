"""Yes or no: one word of a closed list and nothing else. What it means may depend on what was asked (正常, present)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from lingshu_train.verify.gold import GoldAnswer, GoldError, Reads, Ruling
from lingshu_train.verify.item import Key
from lingshu_train.verify.lexicon import longest_first, words
from lingshu_train.verify.text import asks, cues
from lingshu_train.verify.text.leads import without_lead_in
from lingshu_train.verify.text.normal import clean, strip_edges

_BREAK = re.compile(r"[ \t.]*\n\s*")
_CAN, _WILL = ("能", "可以"), ("会",)
_MODAL = dict.fromkeys(("不能", "不可以", "能", "可以", "可以的"), _CAN) | dict.fromkeys(
    ("不会", "会"), _WILL
)
# No text opens with whole words of two of these lists: their order is free.
_LISTS = ("yes", "no", "exists", "absent", "abnormal", "normal")


@dataclass(frozen=True, slots=True)
class Gold(GoldAnswer):
    """ "yes" or "no", and the question that gives words such as 正常 their sign."""

    reads: ClassVar[Reads] = "choices"
    sign: str
    question: str

    def surface(self, text: str) -> str:
        # "No\nThe heart is enlarged": a line break ends the leading word.
        return clean(_BREAK.sub(". ", text.strip()) if "\n" in text else text)

    def judge(self, text: str) -> Ruling:
        found = side(text, self.question)
        if found.status != "right":
            return found
        return found._replace(status="right" if found.normalized == self.sign else "wrong")


def prepare(item: Key) -> Gold:
    ruling = side(clean(item.answer), item.question)
    if ruling.status != "right":
        raise GoldError(f"answer {item.answer!r} is neither yes nor no for this question")
    return Gold(ruling.normalized, item.question)


def polar_options(shown: Mapping[str, str]) -> dict[str, str]:
    """For options that say yes and no, and at most one that leaves it open, in surface normal form: the letter of each sign.
    Otherwise empty."""
    signs = {}
    for letter, text in shown.items():
        low = text.lower()
        sign = "yes" if low in words("words", "yes") else "no" if low in words("words", "no") else ""
        if sign:
            signs[sign] = letter
    open_ones = sum(text.lower() in words("words", "open_option") for text in shown.values())
    return signs if len(signs) == 2 and len(shown) - open_ones == 2 and open_ones < 2 else {}


def side(text: str, question: str) -> Ruling:
    """The sign of a bare answer: status "right" with normalized "yes" or "no", or the reason there is none."""
    text = strip_edges(without_lead_in(text)).lower()
    sign, length, rule = leading(text, question)
    if sign and not text[length:].strip(asks.PARTICLES + " "):
        return Ruling("right", rule, sign)
    return Ruling("hedged" if cues.hedges(text) else "unreadable", "yes_no.none")


def leading(text: str, question: str) -> tuple[str, int, str]:
    """Sign and length of the leading word, if a closed list has it as a whole token, and the rule's name."""
    for name in _LISTS:
        for entry in longest_first("words", name):
            if not text.startswith(entry) or _inside_word(text, entry):
                continue
            # 不能 is "no" to 能否 alone, and 能 "yes": elsewhere they begin "cannot say", "can be seen".
            modal = entry in _MODAL and not any(word in question for word in _MODAL[entry])
            sign = "" if modal else asks.sign_of(name, question)
            if sign and _may_end(text[len(entry) :], entry):
                return sign, len(entry), f"yes_no.{name}"
    return "", 0, ""


def _inside_word(text: str, entry: str) -> bool:
    following = text[len(entry) : len(entry) + 1]
    return entry.isascii() and (following.isalnum() or following in ("-", "'"))


def _may_end(rest: str, entry: str) -> bool:
    rest = rest.lstrip(asks.PARTICLES) if not entry.isascii() else rest
    if not rest:
        return True
    if rest[0] == "/" or (rest[0] not in ",.;:!( " and rest[:3] != " - "):
        return False
    if entry == "no" and rest[0] == "." and rest[1:].lstrip()[:1].isdigit():
        # "No. 3" is a number.
        return False
    if rest[0] == " " and rest[1:2] not in ("(", "-", "—"):
        return asks.WORD.findall(rest)[:1] != [] and asks.WORD.findall(rest)[0] in asks.GO_ON
    return True
