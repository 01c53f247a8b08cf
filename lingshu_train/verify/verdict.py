"""verify(): from a response to a verdict. Fail closed: what no positive rule accepts is not right."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple, cast

from lingshu_train.errors import DataError
from lingshu_train.naming import component, components
from lingshu_train.record import Verdict
from lingshu_train.verify import prelude, strict
from lingshu_train.verify.extract import extract, thinking
from lingshu_train.verify.gold import AnswerType, GoldAnswer, GoldError
from lingshu_train.verify.item import Key, Policy, Question, key
from lingshu_train.verify.remarks import lenient
from lingshu_train.verify.remarks.witness import Witness, witness
from lingshu_train.verify.text import leads

_TYPES = "lingshu_train.verify.types"


class _Prepared(NamedTuple):
    """A gold answer as the two doors read it."""

    item: Key
    gold: GoldAnswer
    witness: Witness


def verify(response: str, item: Question, policy: Policy = Policy.strict) -> Verdict:
    """Judge one response. Never raises on any string; linear in its length.

    What is right under strict is right under lenient; lenient reads on where strict does not accept.
    """
    prepared = _prepare(key(item))
    if isinstance(prepared, str):
        return Verdict(correct=False, status="invalid_gold", rule=prepared)
    found = extract(response)
    verdict = strict.judge(found, prepared.gold, prepared.item)
    if verdict.correct or policy is not Policy.lenient:
        return verdict
    return lenient.judge(found, prepared.witness, verdict, prepared.item.question)


def gold_problem(item: Question) -> str | None:
    """Why an item cannot be trained on: its own gold, and where it has options the gold's text, must verify as right in
    every form of tag and box. None: it does.
    """
    prepared = _prepare(key(item))
    if isinstance(prepared, str):
        return prepared
    for text in (item.answer, *prepared.gold.forms()):
        for name, response in (("tag", f"<answer>{text}</answer>"), ("box", f"\\boxed{{{text}}}")):
            stands = extract(response)
            if text != item.answer and (stands.status or stands.text != text.strip()):
                # A mark that cannot hold this text (a brace without its partner, 400 characters) cannot be answered by it.
                continue
            found = strict.judge(stands, prepared.gold, prepared.item)
            if not found.correct:
                return f"its own answer {text!r} is {found.status} in {name} form ({found.rule})"
    return None


def stated_answer(trace: str, item: Question) -> Verdict | None:
    """The last commitment of a reasoning trace, judged by the item's own type; None where there is none.

    A text that the type's grammar cannot read is no commitment.
    """
    prepared = _prepare(key(item))
    if isinstance(prepared, str):
        return None
    last = prelude.stated(trace, prepared.gold, leads.trace_anchors(trace))
    return strict.told(last.ruling, "stated", last.text) if last else None


def trace_of(response: str) -> str:
    """The thinking of a response, without tags."""
    return thinking(response)


def answer_text(response: str) -> str:
    """The text of a marked answer (block, box or heading); empty where the response has none that can be
    read.
    """
    found = extract(response)
    return "" if found.status or found.form == "plain" else found.text


# A group of completions asks for the same gold, and an epoch comes back to it: 16384 of them take some 20 MB.
@lru_cache(maxsize=16384)
def _prepare(item: Key) -> _Prepared | str:
    """The gold answer of an item, read once, or why it cannot be read."""
    answer_type = _answer_type(item.question_type)
    if answer_type is None:
        return f"no rule judges question type {item.question_type!r}"
    try:
        gold = answer_type.prepare(item)
    except GoldError as fault:
        return str(fault)
    return _Prepared(item, gold, witness(item.question_type, gold))


@lru_cache(maxsize=64)
def _answer_type(name: str) -> AnswerType | None:
    """The file of types/ with this name; None where there is none."""
    if name not in components(_TYPES):
        return None
    return cast(AnswerType, component(_TYPES, name, where="question_type", error=DataError))
