"""Where an answer and the thinking before it say different things: a flag for the reader, no verdict.

The verifier reads a commitment where there is one ("so the answer is B"). Short traces have none; there the words decide.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain

from lingshu_train.report.closed import Answers, answers, label
from lingshu_train.report.gather import RunView
from lingshu_train.runs.results import Prediction, Rollout
from lingshu_train.verify import Item, answer_text, stated_answer, trace_of, verify

SHORT = 12
"""Words of a trace whose "no" is its answer: a longer one may deny other things on its way."""
_NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_DENIAL = re.compile(r"\b(?:no|not|none|without|absent)\b", re.IGNORECASE)
_NUMBER = re.compile(rf"\b(?:\d+(?:\.\d+)?|{'|'.join(_NUMBERS)})\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Flags:
    """What a run's thinking says otherwise: for each model by the id of its question, for each stage's kept rollouts by place.

    `known` are the answers that each task has.
    """

    known: Mapping[str, Answers]
    held_out: Mapping[str, Mapping[str, str]]
    rollouts: Mapping[str, Mapping[int, str]]


def flags(view: RunView) -> Flags:
    """Read once for all that shows them."""
    known = answers(chain(*view.predictions.values(), *view.rollouts.values()))
    return Flags(
        known=known,
        held_out={
            model: {line.id: named for line in lines if (named := disagreement(line, known))}
            for model, lines in view.predictions.items()
        },
        rollouts={
            stage: {place: named for place, line in enumerate(lines) if (named := disagreement(line, known))}
            for stage, lines in view.rollouts.items()
        },
    )


def disagreement(line: Prediction | Rollout, known: Mapping[str, Answers]) -> str:
    """What the thinking names instead of the answer that was given; empty where they agree, or where one is missing.

    `known` are the answers that each task of the run has (report/closed.py).
    """
    trace, given = trace_of(line.completion).strip(), answer_text(line.completion).strip()
    if not trace or not given:
        return ""
    committed = _committed(line, trace)
    if committed is not None:
        return committed
    denied = len(trace.split()) <= SHORT and _DENIAL.search(trace) is not None
    if given.casefold() in ("yes", "no"):
        return "no" if denied and given.casefold() == "yes" else ""
    said = label(line, given)
    if _NUMBER.fullmatch(said):
        return _other(_numbers(trace) or (["0"] if denied else []), _number(said))
    words = line.options.values() if line.options else known[line.task].words if line.task in known else ()
    return _other(_named(trace, words), said)


def _committed(line: Prediction | Rollout, trace: str) -> str | None:
    """What the trace commits to where that is not the answer, empty where it is; None where the verifier reads nothing."""
    item = Item(
        question=line.question,
        question_type=line.question_type,
        answer=line.answer,
        options=line.options,
    )
    stated, final = stated_answer(trace, item), verify(line.completion, item)
    if stated is None or not stated.normalized or not final.normalized:
        return None
    same = stated.normalized == final.normalized or (stated.correct and final.correct)
    return "" if same else stated.extracted


def _other(named: Iterable[str], said: str) -> str:
    """The first that is named, where what was said is not."""
    found = list(named)
    return found[0] if found and said not in found else ""


def _named(trace: str, known: Iterable[str]) -> list[str]:
    """The answers that stand in a trace as whole words, longer ones first: "left lung" is no mention of "lung"."""
    found, rest = [], trace.casefold()
    for word in sorted({each.strip().casefold() for each in known} - {""}, key=len, reverse=True):
        pattern = re.compile(rf"(?<!\w){re.escape(word)}(?!\w)")
        if pattern.search(rest):
            found.append(word)
            rest = pattern.sub(" ", rest)
    return found


def _numbers(trace: str) -> list[str]:
    return [_number(found) for found in _NUMBER.findall(trace)]


def _number(word: str) -> str:
    small = word.casefold()
    return str(_NUMBERS.index(small)) if small in _NUMBERS else f"{float(small):g}"
