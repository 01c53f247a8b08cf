"""A quantity inside a sentence that says no more than it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import cast

from lingshu_train.verify.gold import GoldAnswer, Ruling
from lingshu_train.verify.quantity import counted, grammar
from lingshu_train.verify.remarks import carried
from lingshu_train.verify.remarks.witness import Witness
from lingshu_train.verify.text import canon
from lingshu_train.verify.text.normal import strip_edges
from lingshu_train.verify.types import numeric

# "In 20 weeks" is a time to come.
_IN = re.compile(r"(?:^|\bis )in [0-9]", re.IGNORECASE)
# The largest diameter of a thing is its size, unless a question asks for one of several.
_LARGEST = re.compile(
    r",? (?:in|at|along|across|by) (?:its |the )?(?:largest|greatest|maximum|maximal|longest|widest)"
    r" (?:diameter|dimension|extent|axis)$",
    re.IGNORECASE,
)
_FIRST_LARGEST = re.compile(
    r"\b(the |a |an |its )(?:largest|greatest|maximum|maximal|longest|widest) (?=diameter|dimension|extent|size)",
    re.IGNORECASE,
)
_ASKS_SIZE = re.compile(r"\b(?:size|how (?:large|big)|diameter)\b", re.IGNORECASE)
# Whether a value is low says nothing else of it.
_JUDGED = re.compile(
    r", (?:which is|indicating|suggesting|consistent with) (?:slightly |mildly |markedly |severely |moderately )?"
    r"(?:low|high|normal|elevated|reduced"
    r"|decreased|increased|abnormal|borderline|enlarged|within (?:the )?normal (?:limits|range)|above normal|below normal)$",
    re.IGNORECASE,
)
_DECIMALS = re.compile(r"[0-9]\.([0-9]+)")
_FINER = 2
_COMMA = re.compile(r"(?<=[0-9]),(?=[0-9]{1,2}(?![0-9]))")


@dataclass(frozen=True, slots=True)
class Measured(Witness):
    """The gold quantity."""

    gold: numeric.Gold

    def judge(self, text: str) -> Ruling:
        ruling = self.gold.judge(text)
        if not ruling.normalized:
            text = _JUDGED.sub("", text)
        if not ruling.normalized and _ASKS_SIZE.search(self.gold.question):
            text = _FIRST_LARGEST.sub(r"\1", _LARGEST.sub("", text))
        if ruling.status == "wrong" and (finer := self._finer(text)):
            return finer
        if ruling.normalized or _IN.search(text):
            return ruling
        if counted.only_present(canon.tokenize(text), grammar.asked_words(self.gold.question)):
            return ruling
        return (
            carried.read(text, self.gold, self.gold.question)
            or self._computed(text)
            or self._decimal(text)
            or ruling
        )

    def _finer(self, text: str) -> Ruling | None:
        """A value with two more decimals than the gold's that is the gold's to one more: "about 5.604" for 5.6."""
        gold = self.gold.accepted[0]
        ours, theirs = _DECIMALS.search(self.gold.shown), _DECIMALS.findall(text)
        if ours is None or len(theirs) != 1 or len(theirs[0]) < len(ours.group(1)) + _FINER:
            return None
        found = numeric.stated(text, self.gold)
        if (
            found is None
            or found.kind != gold.kind
            or gold.kind != "scalar"
            or found.values[0] == gold.values[0]
        ):
            return None
        coarse = found._replace(values=(round(found.values[0], len(ours.group(1)) + 1),))
        if coarse.values != gold.values:
            return None
        ruling = numeric.compare(coarse, self.gold)
        return ruling._replace(rule="numeric.finer") if ruling.status == "right" else None

    def _computed(self, text: str) -> Ruling | None:
        """The result of "CO = 70 x 80 = 5600 mL/min = 5.6 L/min": the last quantity, and those equal to it before it."""
        parts = [strip_edges(part) for part in text.split(" = ")]
        rulings = [self.gold.judge(part) for part in parts[1:]]
        readable = [ruling for ruling in rulings if ruling.normalized]
        if (
            not readable
            or not rulings[-1].normalized
            or any(ruling.status != "right" and not ruling.rule.endswith("kind") for ruling in readable)
        ):
            return None
        return rulings[-1]._replace(rule=f"{rulings[-1].rule}_computed")

    def _decimal(self, text: str) -> Ruling | None:
        """A decimal comma: one comma between digits, with no blank behind it and no three digits."""
        found = _COMMA.findall(text)
        if len(found) != 1 or text.count(",") != 1:
            return None
        ruling = self.gold.judge(_COMMA.sub(".", text))
        return ruling if ruling.status == "right" else None

    def goes_on(self, text: str, line: str) -> bool:
        return self.gold.goes_on(text, line)

    def answered_again(self, remark: str) -> bool:
        return self.gold.answered_again(remark)


def witness(gold: GoldAnswer) -> Measured:
    return Measured(cast(numeric.Gold, gold))
