"""A phrase inside a sentence that says no more than it, and what behind it would say the opposite."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, cast

from lingshu_train.verify import lexicon
from lingshu_train.verify.gold import GoldAnswer, Reads, Ruling
from lingshu_train.verify.remarks import carried, concluded, lent, others, placed, signs, turned, verbatim
from lingshu_train.verify.remarks.witness import Witness
from lingshu_train.verify.text import canon, cues
from lingshu_train.verify.text.leads import readings
from lingshu_train.verify.text.normal import clean, strip_edges
from lingshu_train.verify.types import short, yes_no

# So often a text may be shortened: each shorter one is read anew.
_MOST = 3
_PART_CN = re.compile("(?:图中)?(?:双侧?|两侧?)?([\u3400-\u9fff]{1,4}?)部?")
_ASKS_FUNCTION = re.compile(r"\b(?:function|role|purpose|do)\b", re.IGNORECASE)
_ASKS_CAUSE = re.compile(r"\b(?:diagnosis|disease|condition|disorder|cause|pathology)\b", re.IGNORECASE)
_EXCLUDES = re.compile(
    r",? (?:and |but )?(?:not|rather than|instead of) (?:an? |the )?([^,.;]{1,40})$", re.IGNORECASE
)
_OFFERED = re.compile(
    r"(?:\b(?:an?|the)|:) ([A-Za-z0-9 -]{1,40}?),? or (?:an? |the )?([A-Za-z0-9 -]{1,40}?)\W*$", re.IGNORECASE
)
_OF_WHAT = re.compile(r" (?:of|in|on) .*$", re.IGNORECASE)
# "A cyst in the right kidney" is a renal cyst, where the question speaks of the right one.
_LOCATED = re.compile(r" in (?:the |a |an )?(?:(left|right) )?(?=[a-z]+$)", re.IGNORECASE)
_ASKS_SIGN = re.compile(r"(?:is|are|was|were|does|do|did|has|have|can) ", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Phrase(Witness):
    """The gold phrase."""

    reads: ClassVar[Reads] = "words"
    gold: short.Gold

    def judge(self, text: str) -> Ruling:
        return self._judge(text, _MOST)

    def _judge(self, text: str, more: int) -> Ruling:
        """The ruling on a text, or on what is left of it `more` times without words that leave an answer as it is."""
        ruling = self.gold.judge(text)
        if ruling.status == "right":
            return ruling
        plain = verbatim.without_owner(turned.without_initials(turned.without_full_name(text)))
        plain = plain.removesuffix("可能性最大").rstrip("的")
        plain = verbatim.without_place(plain, self.gold.question)
        plain = placed.without_clause(plain)
        if more and plain != text and (found := self._judge(plain, more - 1)).status == "right":
            return found
        return (
            carried.read(text, self.gold, self.gold.question)
            or self._suggested(text)
            or self._affirmed(text)
            or self._polar(text)
            or self._offered(text)
            or self._of_kind(text)
            or self._turned(text)
            or self._abbreviated(text)
            or ruling
        )

    def _suggested(self, text: str) -> Ruling | None:
        """The gold behind the question's own words and "suggests": "The hilar enlargement suggests sarcoidosis"."""
        found = concluded.LEADS.search(text)
        if found is None or verbatim.OFFERS.search(self.gold.question.lower()):
            return None
        asked = {*canon.tokenize(self.gold.question), "the", "this", "it", "these", "image"}
        subject = text[: found.start()]
        told = _ASKS_CAUSE.search(self.gold.question) is not None and concluded.tells(subject)
        if not told and not asked.issuperset(canon.tokenize(subject)):
            return None
        ruling = self.gold.read(text[found.end() :])
        return ruling._replace(rule="short.suggested") if ruling.status == "right" else None

    def _of_kind(self, text: str) -> Ruling | None:
        """The gold with or without the noun that was asked for: "spiral" and "spiral fracture" are one type of fracture."""
        ours, theirs = self._kind(self.gold.forms_given[0]), self._kind(text)
        return Ruling("right", "short.kind", canon.key(text)) if ours and ours == theirs else None

    def _kind(self, text: str) -> list[str]:
        found = canon.canonical(clean(text))
        while len(found) > 1 and found[-1] in lent.nouns(self.gold.question):
            found = found[:-1]
        return found

    def _affirmed(self, text: str) -> Ruling | None:
        """是, or the question's own words, to a question that asks whether it is the gold: 肺部正常吗？"""
        question, main = self.gold.question, self.gold.main
        if "吗" not in question or not main or main not in question:
            return None
        rest = text.rstrip("的").removeprefix("是的").removeprefix("是").strip(",，。 ")
        statement = question.split("吗")[0].removeprefix("图中").removesuffix(main)
        said = rest.replace("是", "").removesuffix("的")
        part = _PART_CN.fullmatch(rest.removesuffix("的").removesuffix(main).removesuffix("是"))
        whole = part is not None and rest.endswith(main) and part.group(1) in question
        agrees = whole or rest in ("", main) or said in (f"{statement}{main}", f"图中{statement}{main}")
        return Ruling("right", "short.affirmed", main) if agrees else None

    def _polar(self, text: str) -> Ruling | None:
        """What says yes or no as the gold does, where the gold is such a word for its question: 肺部正常, for 正常."""
        sign = _sign(self.gold.forms_given[0], self.gold.question)
        if not sign:
            return None
        found = signs.side(text, self.gold.question)
        same = found.status == "right" and found.normalized == sign
        return found._replace(rule="short.polar", normalized=self.gold.main) if same else None

    def _offered(self, text: str) -> Ruling | None:
        """The gold as its question offers it, and that the other answer offered is not: "a chest CT, not a chest X-ray"."""
        own, other = _alternatives(self.gold.question, self.gold.main)
        if not own:
            return None
        said, excluded = text, _EXCLUDES.search(text)
        if excluded is not None:
            if canon.key(clean(excluded.group(1))) not in other:
                return None
            said = text[: excluded.start()]
        keys = {canon.key(strip_edges(one)) for one in readings(said)}
        return Ruling("right", "short.offered", self.gold.main) if keys & own else None

    def _turned(self, text: str) -> Ruling | None:
        """The gold with its parts in another order of words, or with itself in brackets: "thickening of the basement
        membrane", "basement membrane thickening", "hematoxylin and eosin (H&E) stain".
        """
        plain = {turned.key(turned.without_gloss(text, self.gold.keys))}
        located = _LOCATED.search(text)
        if located and (located.group(1) or "").lower() in ("", *cues.plain_words(self.gold.question)):
            plain.add(turned.key(_LOCATED.sub(" of ", text)))
        if any(turned.key(form) in plain for form in self.gold.forms_given):
            return Ruling("right", "short.turned", canon.key(text))
        return None

    def _abbreviated(self, text: str) -> Ruling | None:
        """The gold by its initials, where it is a part of the body ("RCA"), or what it does with its verb in another form."""
        main = self.gold.forms_given[0]
        does = _ASKS_FUNCTION.search(self.gold.question) and turned.deed(text)
        if turned.abbreviates(text, main) or (does and does == turned.deed(main)):
            return Ruling("right", "short.abbreviated", self.gold.main)
        return None

    def answered_again(self, remark: str) -> bool:
        """Whether the remark says an opposite of the gold: benign for malignant, the other side."""
        main, keys = self.gold.main, self.gold.keys
        gold = set(cues.plain_words(main)) | set(cues.plain_words(" ".join(keys)))
        said = set(cues.plain_words(remark))
        for base, opposites in lexicon.lists("words", "opposites").items():
            if any(base in form for form in gold) and said.intersection(opposites):
                return True
        sides = [mark for mark in remark if mark in "左右"]
        return bool(sides) and not any(mark in main for mark in sides)

    def upholds(self, sentence: str, *, goes_on: bool) -> bool | None:
        return others.upholds_text(sentence, self.gold.forms_given, goes_on=goes_on)


@lru_cache(maxsize=4096)
def _sign(main: str, question: str) -> str:
    """The sign of a gold phrase that says yes or no to its question; empty for any other."""
    asks_sign = question.rstrip("?？ ").endswith("吗") or "是否" in question or _ASKS_SIGN.match(question)
    if not asks_sign or verbatim.OFFERS.search(question.lower()):
        return ""
    ruling = yes_no.side(main, question)
    return ruling.normalized if ruling.status == "right" else ""


@lru_cache(maxsize=4096)
def _alternatives(question: str, main: str) -> tuple[frozenset[str], frozenset[str]]:
    """The forms of the gold, and those of the other answer that a question offers, in canonical form: with the words that
    both share and without, "chest CT" and "CT" of "Is this a chest X-ray or a chest CT?". Empty where it offers none.
    """
    found = _OFFERED.search(question)
    if found is None:
        return frozenset(), frozenset()
    one, other = (canon.canonical(clean(_OF_WHAT.sub("", part))) for part in found.groups())
    shared = 0
    while shared < min(len(one), len(other)) - 1 and one[shared] == other[shared]:
        shared += 1
    forms = [frozenset((canon.join(tokens), canon.join(tokens[shared:]))) for tokens in (one, other)]
    if forms[0] & forms[1] or (main in forms[0]) == (main in forms[1]):
        return frozenset(), frozenset()
    return (forms[0], forms[1]) if main in forms[0] else (forms[1], forms[0])


def witness(gold: GoldAnswer) -> Phrase:
    return Phrase(cast(short.Gold, gold))
