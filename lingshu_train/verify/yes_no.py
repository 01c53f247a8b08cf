"""Yes or no: a leading word of a closed list, or a statement of the question's own noun.

The explanation may say anything that does not contradict the leading word: the opposite word by itself, a
hedge, a change of mind, or the question's own proposition with the other sign is a conflict.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from lingshu_train.verify import canon, cues
from lingshu_train.verify.item import GoldError, Key, Ruling
from lingshu_train.verify.leads import without_lead_in
from lingshu_train.verify.normal import clean, strip_edges
from lingshu_train.verify.tables import longest_first, mapping, words

_WORD = re.compile(r"[a-z0-9]+(?:'t)?|[\u3400-\u9fff]+|\S")
_GO_ON = frozenset(
    ("it", "there", "this", "the", "they", "these", "that", "because", "since", "as", "we", "i", "indeed")
)
_EXISTENCE = ("有", "无", "存在", "见", "显示")
_SIGNS = frozenset("<>=|~&+*?→⇒")
_POLAR = ("normal", "benign", "malignancy", "enlarged", "abnormal")
_JOINERS = frozenset(("as", "with", "to", "by", "for", "from", "so", "and", "also"))
_PARTICLES = "的了呢。"
_ASKING = ("吗", "是否", "有没有", "有无", "是不是", "?")


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
    stated = _statement(text, question)
    if stated:
        return Ruling("right", "yes_no.statement", stated)
    return Ruling("hedged" if cues.hedges(text) else "unreadable", "yes_no.none")


def _leading(text: str, question: str) -> tuple[str, int, str]:
    """Sign and length of the leading word, if a closed list has it as a whole token."""
    for name in ("yes", "no", "exists", "absent", "abnormal", "normal"):
        for entry in longest_first("words", name):
            if not text.startswith(entry) or _inside_word(text, entry):
                continue
            sign = _sign(name, question)
            if sign and _may_end(text[len(entry) :], entry):
                return sign, len(entry), f"yes_no.{name}"
    return "", 0, ""


def _inside_word(text: str, entry: str) -> bool:
    following = text[len(entry) : len(entry) + 1]
    return entry.isascii() and (following.isalnum() or (following in ("-", "'") and len(entry) > 0))


def _may_end(rest: str, entry: str) -> bool:
    rest = rest.lstrip(_PARTICLES) if not entry.isascii() else rest
    if not rest:
        return True
    if rest[0] == "/" or (rest[0] not in ",.;:!( " and rest[:3] != " - "):
        return False
    if entry == "no" and rest[0] == "." and rest[1:].lstrip()[:1].isdigit():
        # "No. 3" is a number.
        return False
    if rest[0] == " " and rest[1:2] not in ("(", "-", "—"):
        return _WORD.findall(rest)[:1] != [] and _WORD.findall(rest)[0] in _GO_ON
    return True


def _sign(name: str, question: str) -> str:
    """What a list means for this question; empty where the question does not ask in these words."""
    if name in ("yes", "no"):
        return name
    if name in ("exists", "absent"):
        latin = _WORD.findall(question.lower())
        asks = words("words", "visible") | words("words", "shows")
        chinese = any(entry in question for entry in _EXISTENCE) or (
            "是否" in question and not _asks_normal(question)
        )
        fits = chinese or not asks.isdisjoint(latin)
        fits = fits and words("words", "negation").isdisjoint(latin)
        return ("yes" if name == "exists" else "no") if fits else ""
    asked = _asks_normal(question)
    return "" if not asked else "yes" if asked == name else "no"


def _asks_normal(question: str) -> str:
    low = question.lower()
    if any(entry in low for entry in ("abnormal", "不正常", "异常")):
        return "abnormal"
    return "normal" if re.search(r"\bnormal\b|正常", low) else ""


def _explained(sign: str, tail: str, question: str, rule: str) -> Ruling:
    tail = tail.strip(" " + _PARTICLES)
    if not tail:
        return Ruling("right", rule, sign)
    if not _SIGNS.isdisjoint(tail):
        return Ruling("unreadable", rule)
    if cues.hedges(tail):
        return Ruling("hedged", rule)
    if cues.revises_firmly(tail) or _says_opposite(sign, tail):
        return Ruling("conflicting", rule)
    for clause in _clauses().split(tail):
        if _said_twice(clause, question) or _proposition(clause.strip(), question) not in ("", sign):
            return Ruling("conflicting", rule)
    return Ruling("right", f"{rule}_explained", sign)


def _says_opposite(sign: str, tail: str) -> bool:
    """The opposite word standing by itself: at a clause's end, or joined by and, or, a slash."""
    found = _WORD.findall(tail)
    opposite = words("words", "no" if sign == "yes" else "yes")
    for index, token in enumerate(found):
        following = found[index + 1] if index + 1 < len(found) else ""
        if token not in opposite:
            continue
        alone = not following or not following[0].isalnum() or following in ("and", "or", "but")
        if sign == "no" or alone:
            return True
    if sign == "yes" and not words("words", "nothing").isdisjoint(found):
        return True
    clauses = {_subject_words().sub("", clause).strip(_PARTICLES + " ") for clause in _clauses().split(tail)}
    barred = (
        words("words", "absent") | words("words", "no")
        if sign == "yes"
        else words("words", "exists") | words("words", "yes")
    )
    return not barred.isdisjoint(clauses | ({"no"} if sign == "yes" and "not" in clauses else set()))


def _content(text: str) -> list[str]:
    stop = words("words", "stop")
    negation = words("words", "negation")
    same = mapping("words", "same")
    kept = [token for token in _WORD.findall(text.lower()) if token not in stop and token not in negation]
    return [canon.word(same.get(token, token)) for token in kept if token[0].isalnum()]


def _proposition(clause: str, question: str) -> str:
    """The sign with which a clause restates the question's own words; empty where it speaks of something
    else.
    """
    if not clause:
        return ""
    if not clause.isascii():
        return _chinese_proposition(clause, question)
    asked = set(_content(question))
    said, negative = _in_words_of(asked, clause)
    if asked.issuperset(said) and not _predicate(question).isdisjoint(said):
        return "no" if negative else "yes"
    return ""


def _in_words_of(asked: set[str], clause: str) -> tuple[list[str], bool]:
    """The content words of a clause, an opposite of an asked word as that word, and whether it then denies
    it.
    """
    said = _content(clause)
    negative = not words("words", "negation").isdisjoint(_WORD.findall(clause))
    for index, token in enumerate(said):
        for base in _POLAR:
            if base in asked and token not in asked and token in mapping("words", "opposites")[base]:
                said[index], negative = base, not negative
    # "A small effusion" is an effusion, unless the size was asked; "of normal size" is normal.
    sizes = words("words", "sizes")
    return [token for token in said if token in asked or token not in sizes or asked & sizes], negative


def _said_twice(clause: str, question: str) -> bool:
    """Whether a clause speaks twice of what was asked: "no effusion there is an effusion"."""
    said, _ = _in_words_of(set(_content(question)), clause)
    return any(said.count(word) > 1 for word in _predicate(question))


@lru_cache(maxsize=4096)
def _predicate(question: str) -> frozenset[str]:
    """The words of which one must be said to restate a question: what it looks for, or what it says of its
    subject.
    """
    asked = _content(question)
    return frozenset(_focus(question) or [*asked[-1:], *(word for word in asked if word in _POLAR)])


def _chinese_proposition(clause: str, question: str) -> str:
    clause = clause.strip(_PARTICLES + " ")
    asked = _asks_normal(question)
    if asked:
        for name in ("abnormal", "normal"):
            for entry in longest_first("words", name):
                if clause.endswith(entry) and _subject(clause[: -len(entry)], question):
                    return "yes" if name == asked else "no"
    for name, sign in (("absent", "no"), ("no", "no"), ("exists", "yes"), ("yes", "yes")):
        for entry in longest_first("words", name):
            if entry == "否":
                continue
            before, found, rest = clause.partition(entry)
            rest = rest.removeprefix("明显").removeprefix("任何")
            if found and len(rest) >= 2 and rest in question and _subject(before, question):
                return sign
    return "yes" if len(clause) >= 2 and clause in question and not clause.startswith("否") else ""


def _subject(before: str, question: str) -> bool:
    polar = words("words", "normal") | words("words", "negation_cn")
    return before in question and not any(word in before for word in polar)


def _statement(text: str, question: str) -> str:
    """The sign of a bare statement of the whole question, such as "there is no pneumothorax"."""
    if cues.hedges(text) or not _SIGNS.isdisjoint(text) or re.search(r"[,.;:!()/]|\b(?:or|but)\b", text):
        return ""
    if not text.isascii():
        return "" if any(mark in text for mark in _ASKING) else _chinese_proposition(text, question)
    asked, said = _content(question), _content(text)
    found = _WORD.findall(text)
    of_question = _WORD.findall(question.lower())
    negative = sum(token in words("words", "negation") for token in found)
    asks_positively = words("words", "negation").isdisjoint(of_question)
    # Said twice, joined by words of its own, or with a word of its own before or after, it may be two statements.
    joined = len(said) != len(set(said)) or not _JOINERS.intersection(found).issubset(of_question)
    apart = found[-1] == "no" or found[0] in words("words", "visible") - {"there"}
    apart = apart or (found[0] == "no" and found[1] in _GO_ON | {"a", "an", "in", "of"})
    if negative > 1 or not said or not asks_positively or joined or apart:
        return ""
    exists = found[0] in ("there", "no") or not words("words", "visible").isdisjoint(found)
    focus = _focus(question)
    partial = exists and bool(focus) and said[0] == focus[0] and set(said) <= set(asked)
    if set(said) != set(asked) and not partial:
        return ""
    return "no" if negative else "yes"


def _focus(question: str) -> list[str]:
    """Content words of what a question asks the existence of; empty where it asks something else."""
    found = _WORD.findall(question.lower())
    for index, token in enumerate(found):
        if token in words("words", "shows"):
            return _content(" ".join(found[index + 1 :]))
    return _content(question) if not words("words", "visible").isdisjoint(found) else []
