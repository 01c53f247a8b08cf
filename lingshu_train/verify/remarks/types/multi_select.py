"""Several chosen options, and the others ruled out behind them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar, cast

from lingshu_train.verify.gold import GoldAnswer, Reads, Ruling
from lingshu_train.verify.remarks import carried, others, prose
from lingshu_train.verify.remarks.witness import Witness
from lingshu_train.verify.types import multi_select

# Before a small letter it is no option: "A fracture and a pneumothorax are seen".
_ARTICLE = re.compile(r"A (?=[a-z]{3})(?!(?:and|are|plus|with|only|also)\b)")

_ARTICLES = re.compile(r"(?:(?<=, )|(?<=and ))a (?=[a-z]{3})")


@dataclass(frozen=True, slots=True)
class Chosen(Witness):
    """The gold options."""

    reads: ClassVar[Reads] = "choices"
    named: ClassVar[bool] = True
    gold: multi_select.Gold
    question: str

    def judge(self, text: str) -> Ruling:
        ruling = self.gold.judge(text)
        if not ruling.normalized and _ARTICLE.match(text):
            return self.judge(_ARTICLES.sub("", text[2:]))
        return ruling if ruling.normalized else carried.read(text, self.gold, self.question) or ruling

    def answered_again(self, remark: str) -> bool:
        return self.gold.answered_again(remark)

    def reasons(self, sentence: str) -> bool | None:
        return prose.harmless(sentence, self.gold.letters, self.gold.options) or None

    def upholds(self, sentence: str, *, goes_on: bool) -> bool | None:
        if prose.asks_spared(self.question, sentence) or prose.asks_lacking(
            self.question, sentence, self.gold.letters, self.gold.options
        ):
            return False
        return others.upholds(sentence, self.gold.letters, self.gold.options.shown, goes_on=goes_on)


def witness(gold: GoldAnswer) -> Chosen:
    found = cast(multi_select.Gold, gold)
    return Chosen(found, found.question)
