"""The explanation behind a yes or no: it may say anything that does not contradict the word before it.

The opposite word by itself, a hedge, a change of mind, and the question's own proposition with the other sign
contradict it.
"""

from __future__ import annotations

import re
from functools import lru_cache

from lingshu_train.verify.gold import Ruling
from lingshu_train.verify.lexicon import longest_first, words
from lingshu_train.verify.remarks.findings import (
    finding,
    finding_cn,
    limits,
    sought,
    spread,
    statements,
    whole,
)
from lingshu_train.verify.text import asks, cues
from lingshu_train.verify.text.leads import without_lead_in

_SEGMENT = re.compile(r"[,.;:!()]")
# "The effusion is not small" denies no effusion.
_NOT_SMALL = re.compile(
    r"\b(?:is|are) not (?:very |so |too |that )?(?:small|tiny|minimal|slight|mild|subtle|large|big|severe)\b"
)
_UNDENIED = re.compile(r"\b(?:cannot|can't|can not) be (?:denied|doubted|overlooked|missed)\b")
# An exception, and no second statement: "all but granulomas can be seen".
_ALL_BUT = re.compile(
    r"\b(?:all|any|anything|anywhere|every|everything|everywhere|nothing|none|no one|nobody|nowhere) but\b"
)
_ODDS = re.compile(r"[0-9]{1,3}(?:\.[0-9])? ?%")


def explained(sign: str, tail: str, question: str, rule: str) -> Ruling:
    """Judge what follows a yes or no: "right" with its sign where it may stand there."""
    if sign == "yes" and limits.denied(tail, question):
        return Ruling("conflicting", rule)
    tail = limits.plain(spread.plain(tail, question).strip(" " + asks.PARTICLES), question)
    if sign == "yes" and ("not" in tail or "be " in tail):
        tail = _UNDENIED.sub("", _NOT_SMALL.sub("is", tail))
    if not tail:
        return Ruling("right", rule, sign)
    if (
        statements.of_before(tail, question)
        or not statements.SIGNS.isdisjoint(tail)
        or ("but" in tail and _ALL_BUT.search(tail))
    ):
        return Ruling("unreadable", rule)
    if cues.hedges(tail):
        return Ruling("hedged", rule)
    if "%" in tail and any(_ODDS.fullmatch(part.strip()) for part in _SEGMENT.split(tail)):
        return Ruling("hedged", rule)
    if cues.revises_firmly(tail) or says_opposite(sign, tail, question):
        return Ruling("conflicting", rule)
    if _says_contrary(sign, tail, question):
        return Ruling("conflicting", rule)
    for clause in () if _asks_gone(question) else _clauses().split(tail):
        if statements.said_twice(clause, question) or statements.proposition(
            clause.strip(), question
        ) not in ("", sign):
            return Ruling("conflicting", rule)
    if not whole.agrees(sign, tail, question):
        return Ruling("unreadable", rule)
    return Ruling("right", f"{rule}_explained", sign)


def _says_contrary(sign: str, tail: str, question: str) -> bool:
    """Whether an explanation says of the finding asked for what the other sign would mean."""
    contrary = "gone" if (sign == "yes") != _asks_gone(question) else "there"
    if tail.isascii():
        return finding.said(tail, question, contrary=contrary) == contrary
    return finding_cn.said(tail, question) == contrary


def _asks_gone(question: str) -> bool:
    """Whether a question asks if something is gone: a denial of it is a yes."""
    asked = sought.asked(question)
    return asked is not None and asked.gone


@lru_cache(maxsize=1)
def _bare_words() -> frozenset[str]:
    return words("words", "bare") | words("words", "subjects") | words("words", "negation")


@lru_cache(maxsize=4096)
def _barred(sign: str, question: str) -> frozenset[str]:
    """What no clause of an explanation may be by itself: the words of the other sign, and "not yes" for yes."""
    lists = ["absent", "no"] if sign == "yes" else ["exists", "yes"]
    if _asks_gone(question):
        lists = lists[1:]
    lists += [name for name in ("normal", "abnormal") if asks.sign_of(name, question) not in ("", sign)]
    own = [f"not {word}" for word in words("words", sign)]
    return frozenset(own).union(*(words("words", name) for name in lists))


def _bare_sign(segment: str) -> str:
    """The sign of words that say no more than yes or no: "it isn't", "not really", "there is"."""
    found = asks.WORD.findall(segment)
    # "Ruled out" denies, and "not ruled out" does not.
    denied = words("words", "negation").isdisjoint(found) == bool(statements.EXCLUDED.search(segment))
    if not _bare_words().issuperset(found):
        return ""
    return "no" if denied else "yes" if found and found[-1] in words("words", "bare") else ""


def says_opposite(sign: str, tail: str, question: str) -> bool:
    """The opposite word standing by itself: at a clause's end, or joined by and, or, a slash."""
    # 是 in 是CT is a verb: a Chinese run that goes on in Latin letters is no word by itself.
    found = [
        one.group()
        for one in asks.WORD.finditer(tail)
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
    segments = _SEGMENT.split(tail)
    if _asks_gone(question):
        # "It has been ruled out" is a yes there, and no bare denial.
        segments = [
            part
            for part in segments
            if words("findings", "gone").isdisjoint(part.split()) and "ruled out" not in part
        ]
    if any(_bare_sign(segment) not in ("", sign) for segment in segments):
        return True
    clauses = {
        _subject_words().sub("", without_lead_in(clause.strip())).strip(asks.PARTICLES + " ")
        for clause in _clauses().split(tail)
    }
    # A run of Chinese is no part of a word beside it: "on second thought 没有".
    clauses.update(token for token in found if not token.isascii())
    return not _barred(sign, question).isdisjoint(
        clauses | ({"no"} if sign == "yes" and "not" in clauses else set())
    )


@lru_cache(maxsize=1)
def _clauses() -> re.Pattern[str]:
    """Where an explanation may turn to another statement: punctuation and the words that join statements."""
    # "Was contrast given?" asks with a word that elsewhere gives a reason.
    joined = "|".join(longest_first("words", "breaks")).replace("given", r"(?<!was )(?<!were )(?<!not )given")
    return re.compile(
        rf"[,.;:!()]|(?:^| )- | (?=without\b)|\b(?:{joined})\b|"
        + "|".join(longest_first("words", "breaks_cn"))
    )


@lru_cache(maxsize=1)
def _subject_words() -> re.Pattern[str]:
    return re.compile(rf"^ ?(?:(?:{'|'.join(longest_first('words', 'subjects'))}) ){{0,6}}")
