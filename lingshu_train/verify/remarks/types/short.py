"""A phrase inside a sentence that says no more than it, and what behind it would say the opposite."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, cast

from lingshu_train.verify import lexicon
from lingshu_train.verify.gold import GoldAnswer, Reads, Ruling
from lingshu_train.verify.remarks import carried, concluded, lent, others, placed, turned, verbatim
from lingshu_train.verify.remarks.witness import Witness
from lingshu_train.verify.text import canon, cues
from lingshu_train.verify.text.normal import clean
from lingshu_train.verify.types import short


@dataclass(frozen=True, slots=True)
class Phrase(Witness):
    """The gold phrase."""

    reads: ClassVar[Reads] = "words"
    gold: short.Gold

    def judge(self, text: str) -> Ruling:
        ruling = self.gold.judge(text)
        if ruling.status == "right":
            return ruling
        plain = verbatim.without_owner(turned.without_initials(text))
        plain = plain.removesuffix("可能性最大").removesuffix("的")
        plain = verbatim.without_place(plain, self.gold.question)
        plain = placed.without_clause(plain)
        if plain != text and (found := self.judge(plain)).status == "right":
            return found
        return (
            carried.read(text, self.gold, self.gold.question)
            or self._suggested(text)
            or self._affirmed(text)
            or self._of_kind(text)
            or self._turned(text)
            or ruling
        )

    def _suggested(self, text: str) -> Ruling | None:
        """The gold behind the question's own words and "suggests": "The hilar enlargement suggests sarcoidosis"."""
        found = concluded.LEADS.search(text)
        if found is None or verbatim.OFFERS.search(self.gold.question.lower()):
            return None
        asked = {*canon.tokenize(self.gold.question), "the", "this", "it", "these", "image"}
        if not asked.issuperset(canon.tokenize(text[: found.start()])):
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
        agrees = rest in ("", main) or said in (f"{statement}{main}", f"图中{statement}{main}")
        return Ruling("right", "short.affirmed", main) if agrees else None

    def _turned(self, text: str) -> Ruling | None:
        """The gold with its parts in another order of words, or with itself in brackets: "thickening of the basement
        membrane", "basement membrane thickening", "hematoxylin and eosin (H&E) stain".
        """
        plain = turned.key(turned.without_gloss(text, self.gold.keys))
        if any(plain == turned.key(form) for form in self.gold.forms_given):
            return Ruling("right", "short.turned", canon.key(text))
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


def witness(gold: GoldAnswer) -> Phrase:
    return Phrase(cast(short.Gold, gold))
