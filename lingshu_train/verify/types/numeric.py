"""A quantity: equal value of the same kind in a convertible unit, with the same comparator."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from lingshu_train.verify.gold import GoldAnswer, GoldError, Ruling
from lingshu_train.verify.item import Key
from lingshu_train.verify.lexicon import words
from lingshu_train.verify.quantity import grammar, units
from lingshu_train.verify.quantity.grammar import Quantity
from lingshu_train.verify.text import cues
from lingshu_train.verify.text.leads import without_lead_in
from lingshu_train.verify.text.normal import LIMIT, clean, strip_edges

_PERCENT = units.Unit((("percent", 1),), Fraction(1))
_COUNT = re.compile(r"[0-9] [a-z]", re.IGNORECASE)
_BRACKET = re.compile(r"([^()]+)\(([^()]+)\)")
_BLOOD_PRESSURE = re.compile(r"\b(?:blood pressure|bp)\b|血压", re.IGNORECASE)
_SCORE = re.compile(r"\bscores?\b|评分|得分|积分", re.IGNORECASE)
_PERCENTAGE = re.compile(r"\bpercent|\bper cent\b|百分", re.IGNORECASE)
_AGE = re.compile(
    r"\bhow old\b|\bage\b(?! of (?:the )?(?:gestation|fetus|pregnancy|fracture|infarct|lesion|bleed))|年龄|几岁",
    re.IGNORECASE,
)
_RATIO_WORDS = re.compile(r"ratio|fraction|proportion|比|分数", re.IGNORECASE)
# Each piece is cleaned by itself, and a question must not cost more than its answers do.
_PIECES = 10
# "Fracture number 2" is one of several, and no count of them.
_NAMED = re.compile(r"\b(?!the |a |total |is |its |their |whole )[a-z]+ number [0-9]", re.IGNORECASE)
# x/y is a number where y is a denominator of everyday fractions, scores ("3/20") or shares; 120/80 is two readings.
_MOST, _ROUND = 20, (100, 1000)


@dataclass(frozen=True, slots=True)
class Gold(GoldAnswer):
    """Every accepted quantity, the unit the question asks for, and the allowed difference in the gold's
    unit.
    """

    accepted: tuple[Quantity, ...]
    asked: units.Unit | None
    tolerance: Fraction
    question: str
    shown: str

    def judge(self, text: str) -> Ruling:
        found = stated(text, self)
        if found is not None:
            if found.unit is None and _PERCENT in (self.asked, self.accepted[0].unit) and _COUNT.search(text):
                # "60 tubules" is no share of them.
                return Ruling("wrong", "numeric.unit", _show(found))
            return compare(found, self)
        bracket = _BRACKET.fullmatch(text)
        if bracket:
            parts = [stated(strip_edges(part), self) for part in bracket.groups()]
            if all(part is not None and compare(part, self).status == "right" for part in parts):
                return Ruling("right", "numeric.gloss", self.shown)
        if cues.hedges(text) or cues.chooses(text):
            return Ruling("hedged", "numeric.none")
        return Ruling("unreadable", "numeric.none")

    def goes_on(self, text: str, line: str) -> bool:
        """A unit may stand behind the box: "\\boxed{2.5} cm"."""
        return bool(self.read(f"{text} {line}").normalized)

    def answered_again(self, remark: str) -> bool:
        """Digits behind an answer are refused for every type; here a number word is another number too."""
        return not words("numbers", "words").isdisjoint(cues.plain_words(remark))


def prepare(item: Key) -> Gold:
    question = clean_question(item.question)
    if grammar.parse(clean(item.answer), question) is None:
        # The gold itself may name what is counted or labelled: "3 nodules", "pH 7.4".
        question = f"{question} {clean(item.answer)}"
    accepted = []
    for text in (item.answer, *item.aliases):
        found = grammar.parse(clean(text), question)
        if found is None:
            raise GoldError(f"answer {text!r} is not one quantity")
        accepted.append(found)
    tolerance = Fraction(0) if item.tol is None else Fraction(str(item.tol))
    if tolerance < 0:
        raise GoldError(f"tol {item.tol} is negative")
    return Gold(tuple(accepted), _asked(question, accepted[0]), tolerance, question, clean(item.answer))


def _asked(question: str, gold: Quantity) -> units.Unit | None:
    """The unit a question names, or means beyond doubt where the gold answer leaves it out."""
    points = units.expression("point")
    if gold.unit in (None, points) and _SCORE.search(question):
        return points
    years = units.expression("year")
    if gold.unit == years and _AGE.search(question):
        return years
    named = units.named_in(question)
    if named is not None or gold.unit is not None:
        return named
    if gold.kind == "ratio" and _BLOOD_PRESSURE.search(question):
        return units.expression("mmHg")
    # A gold below one may be the fraction itself: 0.45 is 45 %.
    percentage = gold.kind in ("scalar", "range") and min(gold.values) >= 1 and _PERCENTAGE.search(question)
    return _PERCENT if percentage else None


def clean_question(question: str) -> str:
    """A question in surface normal form, piece by piece. Of a longer one, such as a pasted record, the first pieces."""
    end = min(len(question), _PIECES * LIMIT)
    return " ".join(clean(question[start : start + LIMIT]) for start in range(0, end, LIMIT))


def stated(text: str, gold: Gold) -> Quantity | None:
    """The one quantity a text states, with or without a lead-in."""
    if _NAMED.search(text):
        return None
    found = grammar.parse(text, gold.question)
    if found is not None:
        return found
    shorter = without_lead_in(text, statements=True)
    return grammar.parse(strip_edges(shorter), gold.question) if shorter != text else None


def compare(found: Quantity, gold: Gold) -> Ruling:
    shown = _show(found)
    reasons = []
    for accepted in gold.accepted:
        reason = _differs(found, accepted, gold)
        if not reason:
            return Ruling("right", "numeric.equal", shown)
        reasons.append(reason)
    return Ruling("wrong", f"numeric.{reasons[0]}", shown)


def _differs(found: Quantity, accepted: Quantity, gold: Gold) -> str:
    """Why two quantities are not the same; empty where they are."""
    if found.comparator != accepted.comparator:
        return "comparator"
    found, accepted = _same_kind(found, accepted, gold)
    if found.kind != accepted.kind or len(found.values) != len(accepted.values):
        return "kind"
    if found.units == accepted.units and found.values == accepted.values:
        return ""
    matched = _same_unit(found, accepted, gold)
    if matched is None:
        return "unit"
    found, accepted = matched
    if not gold.tolerance:
        return "" if found.bases == accepted.bases else "value"
    tolerance = gold.tolerance * (accepted.unit.factor if accepted.unit else 1)
    pairs = zip(found.bases, accepted.bases, strict=True)
    return "" if all(abs(one - other) <= tolerance for one, other in pairs) else "value"


def _same_kind(found: Quantity, accepted: Quantity, gold: Gold) -> tuple[Quantity, Quantity]:
    """Read x/y as a number where a number is asked for: 1/2 is 0.5, but 120/80 stays a pair."""
    if accepted.kind == "scalar" and found.kind == "ratio":
        return _divided(found), accepted
    if accepted.kind == "ratio" and _RATIO_WORDS.search(gold.question):
        return _divided(found), _divided(accepted)
    if "pair" in (found.kind, accepted.kind):
        return _paired(found), _paired(accepted)
    return found, accepted


def _is_pair(quantity: Quantity) -> bool:
    """Whether x/y is two readings, such as a blood pressure: the half of 1/2 mg/kg is a number."""
    return quantity.kind == "pair" or (quantity.kind == "ratio" and _divided(quantity) is quantity)


def _paired(quantity: Quantity) -> Quantity:
    return quantity._replace(kind="pair") if quantity.kind == "ratio" else quantity


def _divided(ratio: Quantity) -> Quantity:
    if ratio.kind != "ratio":
        return ratio
    above, below = ratio.values
    whole = below.denominator == above.denominator == 1 and below > 0
    plain = whole and (below <= _MOST or below in _ROUND)
    # 84/12 and 20/20 are readings too: nobody writes 7 or 1 in this way.
    if not plain or (above > _MOST and below <= _MOST) or not above % below:
        return ratio
    return Quantity("scalar", (above / below,), (ratio.unit,), ratio.comparator)


def _same_unit(found: Quantity, accepted: Quantity, gold: Gold) -> tuple[Quantity, Quantity] | None:
    """Give both a unit of one dimension, or None where that would be a guess."""
    if found.unit is not None and accepted.unit is None and gold.asked is not None:
        accepted = _in_unit(accepted, gold.asked)
    if found.unit is None and accepted.unit is not None:
        if gold.asked is not None:
            found = _in_unit(found, gold.asked)
        elif accepted.unit == _PERCENT or _is_pair(accepted):
            found = _in_unit(found, accepted.unit)
    if found.unit is None and accepted.unit is None:
        return found, accepted
    if accepted.unit is None:
        if found.unit == _PERCENT and found.kind == "scalar" and 0 < accepted.values[0] < 1:
            return Quantity("scalar", (found.values[0] / 100,), (None,), found.comparator), accepted
        scaled_only = all(unit is not None and not unit.dimension for unit in found.units)
        return (found, accepted) if scaled_only else None
    if found.unit is None:
        return (found, accepted) if all(unit and not unit.dimension for unit in accepted.units) else None
    fits = all(
        one is not None and other is not None and units.compatible(one, other)
        for one, other in zip(found.units, accepted.units, strict=True)
    )
    return (found, accepted) if fits else None


def _in_unit(bare: Quantity, unit: units.Unit) -> Quantity:
    return bare._replace(units=tuple(unit for _ in bare.values))


def _show(found: Quantity) -> str:
    """Base values and dimension as text: equal quantities look equal."""
    sign = {"pair": "/", "range": " to ", "dims": " x ", "ratio": "/", "margin": " ± "}.get(found.kind, "")
    unit = found.unit.dimension if found.unit else ()
    named = " ".join(name if power == 1 else f"{name}^{power}" for name, power in unit)
    return f"{found.comparator}{sign.join(str(value) for value in found.bases)} {named}".strip()
