"""A yes or no with its reason, or a sentence that answers the question in its own words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, cast

from lingshu_train.verify.gold import GoldAnswer, Reads, Ruling
from lingshu_train.verify.remarks import signs
from lingshu_train.verify.remarks.explanation import explained
from lingshu_train.verify.remarks.witness import Witness
from lingshu_train.verify.types import yes_no


@dataclass(frozen=True, slots=True)
class Answered(Witness):
    """The gold's sign."""

    reads: ClassVar[Reads] = "choices"
    gold: yes_no.Gold

    def surface(self, text: str) -> str:
        return self.gold.surface(text)

    def judge(self, text: str) -> Ruling:
        found = signs.side(text, self.gold.question)
        if found.status != "right":
            return found
        return found._replace(status="right" if found.normalized == self.gold.sign else "wrong")

    def answered_again(self, remark: str) -> bool:
        return explained(self.gold.sign, remark.lower(), self.gold.question, "yes_no").status == "conflicting"

    def reasons(self, sentence: str) -> bool:
        """A sentence that cannot be read whole may say the opposite in words that no list has."""
        return explained(self.gold.sign, sentence.lower(), self.gold.question, "yes_no").status == "right"


def witness(gold: GoldAnswer) -> Answered:
    return Answered(cast(yes_no.Gold, gold))
