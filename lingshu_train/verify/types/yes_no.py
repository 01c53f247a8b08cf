"""Yes or no: a leading word of a closed list, or a statement of the question's own noun.

The explanation may say anything that does not contradict the leading word: the opposite word by itself, a
hedge, a change of mind, or the question's own proposition with the other sign is a conflict.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from lingshu_train.verify.item import GoldError, Key, Ruling
from lingshu_train.verify.tables import longest_first, words
from lingshu_train.verify.text import cues, statements
from lingshu_train.verify.text.leads import without_lead_in
from lingshu_train.verify.text.normal import clean, strip_edges

_SEGMENT = re.compile(r"[,.;:!()]")
_ODDS = re.compile(r"[0-9]{1,3}(?:\.[0-9])? ?%")
_EXISTENCE = ("有", "无", "存在", "见", "显示")


@dataclass(frozen=True, slots=True)
class Gold:
    """ "yes" or "no", and the question that gives words such as 正常 their sign."""

    sign: str
    question: str


def prepare(item: Key) -> Gold:
    ruling = side(clean(item.answer), item.question)
    if ruling.status != "right":
        raise GoldError(f"answer {item.answer!r} is neither yes nor no for this question")
    return Gold(ruling.normalized, item.question)


def canonical_gold(gold: Gold) -> str:
    return gold.sign


def polar_options(options: Mapping[str, str]) -> dict[str, str]:
    """For two options that say yes and no: the letter of each sign. Otherwise empty."""
    signs = {}
    for letter, text in options.items():
        low = clean(text).lower()
        sign = "yes" if low in words("words", "yes") else "no" if low in words("words", "no") else ""
        if sign:
            signs[sign] = letter
    return signs if len(signs) == len(options) == 2 else {}


@lru_cache(maxsize=1)
def _clauses() -> re.Pattern[str]:
    """Where an explanation may turn to another statement: punctuation and the words that join statements."""
    # "Was contrast given?" asks with a word that elsewhere gives a reason.
    joined = "|".join(longest_first("words", "breaks")).replace("given", r"(?<!was )(?<!were )(?<!not )given")
    return re.compile(
        rf"[,.;:!()]|(?:^| )- |\b(?:{joined})\b|" + "|".join(longest_first("words", "breaks_cn"))
    )


@lru_cache(maxsize=1)
def _subject_words() -> re.Pattern[str]:
    return re.compile(rf"^ ?(?:(?:{'|'.join(longest_first('words', 'subjects'))}) ){{0,6}}")


def judge(text: str, gold: Gold) -> Ruling:
    """Judge a cleaned answer text."""
    found = side(text, gold.question)
    if found.status != "right":
        return found
    return found._replace(status="right" if found.normalized == gold.sign else "wrong")


def side(text: str, question: str) -> Ruling:
    """The sign an answer takes: status "right" with normalized "yes" or "no", or the reason there is none."""
    text = strip_edges(without_lead_in(text)).lower()
    if "?" in text:
        return Ruling("unreadable", "yes_no.none")
    sign, length, rule = _leading(text, question)
    if sign:
        return _explained(sign, text[length:], question, rule)
    stated = statements.statement(text, question)
    if stated:
        return Ruling("right", "yes_no.statement", stated)
    return Ruling("hedged" if cues.hedges(text) else "unreadable", "yes_no.none")


def _leading(text: str, question: str) -> tuple[str, int, str]:
    """Sign and length of the leading word, if a closed list has it as a whole token."""
    for name in ("yes", "no", "exists", "absent", "abnormal", "normal"):
        for entry in longest_first("words", name):
            if not text.startswith(entry) or _inside_word(text, entry):
                continue
            # 不能 is "no" to 能否 alone: elsewhere it begins "cannot say".
            modal = entry in ("不能", "不会") and entry[1] not in question
            sign = "" if modal else _sign(name, question)
            if sign and _may_end(text[len(entry) :], entry):
                return sign, len(entry), f"yes_no.{name}"
    return "", 0, ""


def _inside_word(text: str, entry: str) -> bool:
    following = text[len(entry) : len(entry) + 1]
    return entry.isascii() and (following.isalnum() or (following in ("-", "'") and len(entry) > 0))


def _may_end(rest: str, entry: str) -> bool:
    rest = rest.lstrip(statements.PARTICLES) if not entry.isascii() else rest
    if not rest:
        return True
    if rest[0] == "/" or (rest[0] not in ",.;:!( " and rest[:3] != " - "):
        return False
    if entry == "no" and rest[0] == "." and rest[1:].lstrip()[:1].isdigit():
        # "No. 3" is a number.
        return False
    if rest[0] == " " and rest[1:2] not in ("(", "-", "—"):
        return (
            statements.WORD.findall(rest)[:1] != [] and statements.WORD.findall(rest)[0] in statements.GO_ON
        )
    return True


def _sign(name: str, question: str) -> str:
    """What a list means for this question; empty where the question does not ask in these words."""
    if name in ("yes", "no"):
        return name
    if name in ("exists", "absent"):
        latin = statements.WORD.findall(question.lower())
        asks = words("words", "visible") | words("words", "shows")
        chinese = any(entry in question for entry in _EXISTENCE) or (
            ("是否" in question or "吗" in question) and not statements.asks_normal(question)
        )
        fits = chinese or not asks.isdisjoint(latin)
        fits = fits and words("words", "negation").isdisjoint(latin)
        return ("yes" if name == "exists" else "no") if fits else ""
    asked = statements.asks_normal(question)
    return "" if not asked else "yes" if asked == name else "no"


def _explained(sign: str, tail: str, question: str, rule: str) -> Ruling:
    tail = tail.strip(" " + statements.PARTICLES)
    if not tail:
        return Ruling("right", rule, sign)
    if not statements.SIGNS.isdisjoint(tail):
        return Ruling("unreadable", rule)
    if cues.hedges(tail):
        return Ruling("hedged", rule)
    if any(_ODDS.fullmatch(part.strip()) for part in _SEGMENT.split(tail)):
        return Ruling("hedged", rule)
    if cues.revises_firmly(tail) or _says_opposite(sign, tail, question):
        return Ruling("conflicting", rule)
    for clause in _clauses().split(tail):
        if statements.said_twice(clause, question) or statements.proposition(
            clause.strip(), question
        ) not in ("", sign):
            return Ruling("conflicting", rule)
    return Ruling("right", f"{rule}_explained", sign)


def taken_back(remark: str, gold: Gold) -> bool:
    """Whether a remark after the right answer says the opposite."""
    return _says_opposite(gold.sign, remark, gold.question)


@lru_cache(maxsize=1)
def _bare_words() -> frozenset[str]:
    return words("words", "bare") | words("words", "subjects") | words("words", "negation")


@lru_cache(maxsize=4096)
def _barred(sign: str, question: str) -> frozenset[str]:
    """What no clause of an explanation may be by itself: the words of the other sign, and "not yes" for yes."""
    lists = ["absent", "no"] if sign == "yes" else ["exists", "yes"]
    lists += [name for name in ("normal", "abnormal") if _sign(name, question) not in ("", sign)]
    own = [f"not {word}" for word in words("words", sign)]
    return frozenset(own).union(*(words("words", name) for name in lists))


def _bare_sign(segment: str) -> str:
    """The sign of words that say no more than yes or no: "it isn't", "not really", "there is"."""
    found = statements.WORD.findall(segment)
    # "Ruled out" denies, and "not ruled out" does not.
    denied = words("words", "negation").isdisjoint(found) == bool(statements.EXCLUDED.search(segment))
    if not _bare_words().issuperset(found):
        return ""
    return "no" if denied else "yes" if found and found[-1] in words("words", "bare") else ""


def _says_opposite(sign: str, tail: str, question: str) -> bool:
    """The opposite word standing by itself: at a clause's end, or joined by and, or, a slash."""
    # 是 in 是CT is a verb: a Chinese run that goes on in Latin letters is no word by itself.
    found = [
        one.group()
        for one in statements.WORD.finditer(tail)
        if one.group().isascii() or not tail[one.end() : one.end() + 1].isalnum()
    ]
    opposite = words("words", "no" if sign == "yes" else "yes")
    for index, token in enumerate(found):
        following = found[index + 1] if index + 1 < len(found) else ""
        if token not in opposite:
            continue
        alone = not following[:1].isalpha() or following in ("and", "or", "but")
        if sign == "no" or alone:
            return True
    if sign == "yes" and not words("words", "nothing").isdisjoint(found):
        return True
    if any(_bare_sign(segment) not in ("", sign) for segment in _SEGMENT.split(tail)):
        return True
    clauses = {
        _subject_words().sub("", without_lead_in(clause.strip())).strip(statements.PARTICLES + " ")
        for clause in _clauses().split(tail)
    }
    # A run of Chinese is no part of a word beside it: "on second thought 没有".
    clauses.update(token for token in found if not token.isascii())
    return not _barred(sign, question).isdisjoint(
        clauses | ({"no"} if sign == "yes" and "not" in clauses else set())
    )
