"""verify(): from a response to a verdict. Fail closed: what no positive rule accepts is not right."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import cast

from lingshu_train.errors import DataError
from lingshu_train.naming import component, components
from lingshu_train.record import Verdict
from lingshu_train.verify.extract import Extract, extract, opening, thinking
from lingshu_train.verify.gold import AnswerType, GoldAnswer, GoldError, Ruling
from lingshu_train.verify.item import Key, Policy, Question, key
from lingshu_train.verify.remarks import after, before, head
from lingshu_train.verify.text import leads, sentences
from lingshu_train.verify.text.normal import LIMIT

_TYPES = "lingshu_train.verify.types"
# Plain text of more words is reasoning: only what stands behind an anchor in it is an answer.
_WORDS = 40


def verify(response: str, item: Question, policy: Policy = Policy.strict) -> Verdict:
    """Judge one response. Never raises on any string; linear in its length."""
    gold = _prepare(key(item))
    if isinstance(gold, str):
        return Verdict(correct=False, status="invalid_gold", rule=gold)
    found = extract(response)
    if found.status:
        return Verdict(correct=False, status=found.status, rule=found.form, extracted=found.text)
    if found.form == "plain":
        if policy is not Policy.lenient:
            opened = opening(found.text)
            if opened is None or opened.status:
                return Verdict(correct=False, status="unmarked", rule="plain")
            return _settled(opened, gold)
        return _plain(found.text, gold)
    return _settled(found, gold)


def gold_problem(item: Question) -> str | None:
    """Why an item cannot be trained on: its own gold must verify as right in tag and in box form. None: it
    does.
    """
    gold = _prepare(key(item))
    if isinstance(gold, str):
        return gold
    forms = {"tag": f"<answer>{item.answer}</answer>", "box": f"\\boxed{{{item.answer}}}"}
    for name, response in forms.items():
        found = verify(response, item, Policy.strict)
        if not found.correct:
            return f"its own answer {item.answer!r} is {found.status} in {name} form ({found.rule})"
    return None


def stated_answer(trace: str, item: Question) -> Verdict | None:
    """The last commitment of a reasoning trace, judged by the item's own type; None where there is none.

    A text that the type's grammar cannot read is no commitment.
    """
    gold = _prepare(key(item))
    if isinstance(gold, str):
        return None
    last = before.stated(trace, gold, leads.trace_anchors(trace))
    return _verdict(last.ruling, "stated", last.text) if last else None


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
def _prepare(item: Key) -> GoldAnswer | str:
    """The gold answer of an item, read once, or why it cannot be read."""
    answer_type = _answer_type(item.question_type)
    if answer_type is None:
        return f"no rule judges question type {item.question_type!r}"
    try:
        return answer_type.prepare(item)
    except GoldError as fault:
        return str(fault)


@lru_cache(maxsize=64)
def _answer_type(name: str) -> AnswerType | None:
    """The file of types/ with this name; None where there is none."""
    if name not in components(_TYPES):
        return None
    return cast(AnswerType, component(_TYPES, name, where="question_type", error=DataError))


def _settled(found: Extract, gold: GoldAnswer) -> Verdict:
    """Judge a marked answer, then make sure that nothing around it says otherwise."""
    text, tail = found.text, found.tail
    if found.form == "box" and tail:
        line, _, rest = tail.partition("\n")
        if gold.goes_on(text, line):
            text, tail = f"{text} {line}", rest
    ruling = head.read(text, gold)
    if ruling.status == "right":
        if tail and not after.harmless(tail, gold):
            ruling = ruling._replace(status="trailing_revision")
        elif found.prelude and before.contradicts(found.prelude, gold, block=found.form == "tag"):
            ruling = ruling._replace(status="conflicting")
    return _verdict(ruling, found.form, text)


def _plain(text: str, gold: GoldAnswer) -> Verdict:
    """Plain text: whole where it is short, else from its last anchor to the end of the line."""
    whole = Ruling("unreadable", "none")
    if len(text) <= LIMIT and len(text.split()) <= _WORDS:
        whole = gold.read(text)
        if whole.status in ("right", "wrong") and (whole.status == "right" or gold.reads != "words"):
            return _verdict(whole, "plain", text)
    first = head.at_head(text, gold)
    if first is not None:
        return _verdict(first, "plain", text[:LIMIT])
    found = leads.anchors(text)
    if not found or (whole.status not in head.REMARKED and gold.reads != "words"):
        return _verdict(whole, "plain", text[:LIMIT])
    start, end = found[-1]
    line, _, tail = text[end:].partition("\n")
    if len(line) > LIMIT:
        return Verdict(correct=False, status="too_long", rule="anchor")
    ruling, used = head.read(line, gold), line
    sentence, rest = sentences.first(line)
    if ruling.status != "right" and rest:
        ruling, used = gold.read(sentence), sentence
        tail = f"{rest}\n{tail}"
    return _settled_plain(_verdict(ruling, "anchor", used), tail.strip(), text[:start], gold)


def _settled_plain(verdict: Verdict, tail: str, prelude: str, gold: GoldAnswer) -> Verdict:
    if not verdict.correct:
        return verdict
    if tail and not after.harmless(tail, gold):
        status = "trailing_revision"
    elif before.contradicts(prelude, gold):
        status = "conflicting"
    else:
        return verdict
    return replace(verdict, correct=False, status=status, normalized="")


def _verdict(ruling: Ruling, form: str, text: str) -> Verdict:
    return Verdict(
        correct=ruling.status == "right",
        status=ruling.status,
        rule=f"{form}:{ruling.rule}",
        extracted=text,
        normalized=ruling.normalized,
    )
