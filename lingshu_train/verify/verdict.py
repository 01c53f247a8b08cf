"""verify(): from a response to a verdict. Fail closed: what no positive rule accepts is not right."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from types import ModuleType
from typing import Any, NamedTuple

from lingshu_train.record import Verdict
from lingshu_train.verify.extract import LIMIT, Extract, boxes, extract, thinking
from lingshu_train.verify.item import GoldError, Key, Policy, Question, Ruling, key
from lingshu_train.verify.tables import mapping, words
from lingshu_train.verify.text import cues, leads
from lingshu_train.verify.text.normal import clean, strip_edges
from lingshu_train.verify.types import bbox, label_set, mcq, multi_select, numeric, short, yes_no

_SENTENCE = re.compile(r"(?<=[.;!?])\s+|[。；！？\n]")
_DIGIT = re.compile(r"[0-9]|[一二两三四五六七八九十]")
_LETTER = re.compile(r"(?<![A-Za-z0-9'])[A-Z](?![A-Za-z0-9'])")
_BREAK = re.compile(r"[ \t.]*\n\s*")
_TAIL = 160
_WORDS = 40
_BRIEF = 80
_CLOSED = ("mcq", "yes_no", "multi_select")


class Prepared(NamedTuple):
    """An item with its gold answer read once; `problem` says why that failed."""

    kind: str
    judge: Callable[[str, Any], Ruling]
    gold: Any
    problem: str
    texts: tuple[str, ...]


def verify(response: str, item: Question, policy: Policy = Policy.strict) -> Verdict:
    """Judge one response. Never raises on any string; linear in its length."""
    prepared = _prepare(key(item))
    if prepared.problem:
        return Verdict(correct=False, status="invalid_gold", rule=prepared.problem)
    found = extract(response)
    if found.status:
        return Verdict(correct=False, status=found.status, rule=found.form, extracted=found.text)
    if found.form == "plain":
        if policy is not Policy.lenient:
            return Verdict(correct=False, status="unmarked", rule="plain")
        return _plain(found.text, prepared)
    return _settled(found, prepared)


def gold_problem(item: Question) -> str | None:
    """Why an item cannot be trained on: its own gold must verify as right in tag and in box form. None: it
    does.
    """
    prepared = _prepare(key(item))
    if prepared.problem:
        return prepared.problem
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
    prepared = _prepare(key(item))
    return None if prepared.problem else _commitment(trace, prepared, leads.trace_anchors(trace))


def trace_of(response: str) -> str:
    """The thinking of a response, without tags."""
    return thinking(response)


def answer_text(response: str) -> str:
    """The text of a marked answer (block, box or heading); empty where the response has none that can be
    read.
    """
    found = extract(response)
    return "" if found.status or found.form == "plain" else found.text


@lru_cache(maxsize=16384)
def _prepare(item: Key) -> Prepared:
    module = _types().get(item.question_type)
    if module is None:
        return Prepared(
            item.question_type, _unjudged, None, f"no rule judges question type {item.question_type!r}", ()
        )
    try:
        gold = module.prepare(item)
    except GoldError as fault:
        return Prepared(item.question_type, _unjudged, None, str(fault), ())
    return Prepared(item.question_type, module.judge, gold, "", tuple(text for _, text in item.options))


def _types() -> dict[str, ModuleType]:
    return {"mcq": mcq, "yes_no": yes_no, "short": short, "numeric": numeric, "multi_select": multi_select,
            "bbox": bbox, "label_set": label_set}  # fmt: skip


def _unjudged(text: str, gold: Any) -> Ruling:
    return Ruling("invalid_gold", "none")


def _settled(found: Extract, prepared: Prepared) -> Verdict:
    """Judge a marked answer, then make sure that nothing around it says otherwise."""
    text, tail = found.text, found.tail
    if found.form == "box" and prepared.kind == "numeric" and tail:
        # A unit may stand behind the box: "\boxed{2.5} cm".
        line, _, rest = tail.partition("\n")
        if _judge(f"{text} {line}", prepared).normalized:
            text, tail = f"{text} {line}", rest
    ruling = _judge(text, prepared)
    before, block = found.prelude, found.form == "tag"
    if ruling.status == "right":
        if tail and not _harmless(tail, prepared):
            ruling = ruling._replace(status="trailing_revision")
        elif before and (cues.sets_aside(before) or _contradicts(before, prepared, block=block)):
            ruling = ruling._replace(status="conflicting")
    return _verdict(ruling, found.form, text)


def _judge(text: str, prepared: Prepared) -> Ruling:
    if prepared.kind == "yes_no" and "\n" in text:
        # "No\nThe heart is enlarged": a line break ends the leading word.
        text = _BREAK.sub(". ", text.strip())
    text = clean(text)
    return prepared.judge(text, prepared.gold) if text else Ruling("empty", "none")


def _plain(text: str, prepared: Prepared) -> Verdict:
    """Plain text: whole where it is short, else from its last anchor to the end of the line."""
    whole = Ruling("unreadable", "none")
    if len(text) <= LIMIT and len(text.split()) <= _WORDS:
        whole = _judge(text, prepared)
        if whole.status == "right" or (whole.status != "unreadable" and prepared.kind != "short"):
            return _verdict(whole, "plain", text)
    found = leads.anchors(text)
    if not found:
        return _verdict(whole, "plain", text[:LIMIT])
    start, end = found[-1]
    line, _, tail = text[end:].partition("\n")
    if len(line) > LIMIT:
        return Verdict(correct=False, status="too_long", rule="anchor")
    sentence, rest = _first_sentence(line)
    ruling, used = _judge(line, prepared), line
    if ruling.status != "right" and rest:
        ruling, used = _judge(sentence, prepared), sentence
        tail = f"{rest}\n{tail}".strip()
    return _settled_plain(ruling, used, tail.strip(), text[:start], prepared)


def _settled_plain(ruling: Ruling, used: str, tail: str, prelude: str, prepared: Prepared) -> Verdict:
    verdict = _verdict(ruling, "anchor", used)
    if verdict.correct and tail and not _harmless(tail, prepared):
        return Verdict(correct=False, status="trailing_revision", rule=verdict.rule, extracted=used)
    if verdict.correct and (cues.sets_aside(prelude) or _contradicts(prelude, prepared)):
        return Verdict(correct=False, status="conflicting", rule=verdict.rule, extracted=used)
    return verdict


def _verdict(ruling: Ruling, form: str, text: str) -> Verdict:
    return Verdict(correct=ruling.status == "right", status=ruling.status, rule=f"{form}:{ruling.rule}",
                   extracted=text, normalized=ruling.normalized)  # fmt: skip


def _first_sentence(line: str) -> tuple[str, str]:
    parts = _SENTENCE.split(line, maxsplit=1)
    return parts[0], parts[1] if len(parts) > 1 else ""


def _harmless(tail: str, prepared: Prepared) -> bool:
    """Whether what follows the answer is silence, politeness, or a remark that cannot be another answer."""
    if "boxed" in tail:
        return False
    text = clean(tail) if len(tail) <= LIMIT else ""
    if not text and len(tail) <= LIMIT:
        return "?" not in tail
    polite = words("words", "pleasantries")
    rest = [
        part
        for part in (strip_edges(part) for part in _SENTENCE.split(text))
        if part.lower() not in polite and part
    ]
    if not rest:
        return len(tail) <= LIMIT
    remark = " ".join(rest)
    counted = prepared.kind == "numeric" and not mapping("numbers", "words").keys().isdisjoint(
        cues.plain_words(remark)
    )
    if (
        counted
        or len(tail) > _TAIL
        or _DIGIT.search(remark)
        or _LETTER.search(_without_pronoun(remark))
        or "?" in tail
    ):
        return False
    if (
        cues.revises(remark)
        or cues.hedges(remark)
        or _names_option(remark, prepared)
        or _swaps_side(remark, prepared)
        or (prepared.kind == "yes_no" and yes_no.taken_back(remark, prepared.gold))
    ):
        return False
    return all(_is_remark(sentence, prepared) for sentence in rest)


def _is_remark(sentence: str, prepared: Prepared) -> bool:
    shorter = leads.without_lead_in(sentence, statements=True)
    if shorter != sentence:
        ruling = _judge(shorter, prepared)
        return ruling.status == "right" or (ruling.status == "unreadable" and prepared.kind in _CLOSED)
    if _judge(sentence, prepared).status == "right":
        return True
    return len(sentence.split()) >= 4 or (not sentence.isascii() and len(sentence) >= 6)


def _without_pronoun(text: str) -> str:
    # "I" and "A" before a small word are words, unless they are among the options: those are checked by name.
    return re.sub(r"\b[IA](?= [a-z])", "", text)


def _names_option(remark: str, prepared: Prepared) -> bool:
    if prepared.kind not in ("mcq", "multi_select"):
        return False
    low = remark.lower()
    return any(text and clean(text).lower() in low for text in prepared.texts)


def _swaps_side(remark: str, prepared: Prepared) -> bool:
    if prepared.kind != "short":
        return False
    gold = set(cues.plain_words(prepared.gold.main)) | set(cues.plain_words(" ".join(prepared.gold.keys)))
    said = set(cues.plain_words(remark))
    for base, opposites in mapping("words", "opposites").items():
        if any(base in form for form in gold) and said.intersection(opposites):
            return True
    return any(mark in remark for mark in "左右") and not any(
        mark in prepared.gold.main for mark in remark if mark in "左右"
    )


def _contradicts(prelude: str, prepared: Prepared, *, block: bool = False) -> bool:
    """Whether the text before the answer takes it back or already stated another one."""
    if cues.disowns(prelude):
        return True
    found = boxes(prelude) if "boxed" in prelude else []
    if (
        found is None
        or len(found) > 1
        or any(_judge(box.content, prepared).status != "right" for box in found)
    ):
        return True
    stated = _commitment(prelude, prepared, leads.anchors(prelude))
    if stated is not None:
        return not stated.correct
    if prepared.kind == "short":
        return block and cues.stands_alone(prelude) and _judge(prelude, prepared).status != "right"
    # Reasoning may pass many numbers and words; an answer given by itself stands alone or comes first.
    opening = [prelude] if len(prelude) <= _BRIEF else []
    if prepared.kind in _CLOSED and len(first := _first_sentence(prelude[:LIMIT])[0]) <= _BRIEF:
        opening.append(first)
    rulings = [_judge(text, prepared) for text in opening if text]
    return any(ruling.normalized and ruling.status != "right" for ruling in rulings)


def _commitment(text: str, prepared: Prepared, found: list[tuple[int, int]]) -> Verdict | None:
    """The last readable statement after an anchor; the last 8 anchors are tried."""
    for _, end in reversed(found[-8:]):
        line = text[end : end + LIMIT].partition("\n")[0]
        sentence = _first_sentence(line)[0]
        clause = re.split("[,，]", sentence, maxsplit=1)[0]
        for candidate in dict.fromkeys((sentence, clause)):
            ruling = _judge(candidate, prepared)
            readable = ruling.status in ("right", "wrong") and bool(ruling.normalized)
            brief = prepared.kind != "short" or (len(candidate.split()) <= 6 and len(candidate) <= 60)
            if ruling.status == "right" or (readable and brief and candidate == clause):
                return _verdict(ruling, "stated", candidate)
    return None
