"""Tasks with a handful of answers: what the answers are, and how often each was given for each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from lingshu_train.record import Asked
from lingshu_train.report.gather import RunView
from lingshu_train.runs.results import Prediction

MOST = 12
"""Different right answers of a task that is still shown as a table."""
MOST_OTHERS = 3
"""Given answers, beside the right ones, that have a column of their own."""
OTHER, UNREAD = "another answer", "none read"


@dataclass(frozen=True, slots=True)
class Answers:
    """The right answers that a task's questions have, each once, in order; empty where there are too many to list."""

    words: tuple[str, ...]
    different: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One right answer: how often it was asked for, and how often each of the table's columns was given."""

    word: str
    n: int
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Confusion:
    """Right answers (rows) by given ones (columns) of one model on one task."""

    task: str
    model: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]


def label(line: Asked, answer: str) -> str:
    """An answer as it is counted: an option by its text, since its letter changes from question to question."""
    given = answer.strip()
    if not line.options:
        return given.casefold()
    text = next(
        (text for letter, text in line.options.items() if letter.casefold() == given.casefold()), given
    )
    return text.strip().casefold()


def answers(lines: Iterable[Asked]) -> Mapping[str, Answers]:
    """The right answers of each task that occurs."""
    found: dict[str, Counter[str]] = {}
    for line in lines:
        found.setdefault(line.task, Counter())[label(line, line.answer)] += 1
    return {
        task: Answers(tuple(sorted(words, key=_order)) if len(words) <= MOST else (), len(words))
        for task, words in found.items()
    }


def confusions(view: RunView) -> list[Confusion]:
    """One table for each task with few answers and each model, the newest model first."""
    found = []
    for model in reversed(view.models):
        lines = view.predictions.get(model, ())
        for task, known in answers(lines).items():
            if len(known.words) > 1:
                mine = [line for line in lines if line.task == task]
                found.append(_confusion(task, model, known.words, mine))
    return found


def open_tasks(view: RunView) -> list[tuple[str, int]]:
    """Tasks without such a table, with the number of their different answers."""
    lines = view.predictions.get(view.models[-1], ()) if view.models else ()
    return [(task, known.different) for task, known in answers(lines).items() if not known.words]


def _confusion(task: str, model: str, words: tuple[str, ...], lines: Sequence[Prediction]) -> Confusion:
    counts: dict[str, Counter[str]] = {word: Counter() for word in words}
    for line in lines:
        counts[label(line, line.answer)][given(line)] += 1
    together = sum(counts.values(), Counter[str]())
    others = [word for word, _ in together.most_common() if word not in (*words, UNREAD)]
    shown, rest = others[:MOST_OTHERS], others[MOST_OTHERS:]
    columns = (*words, *shown, *([OTHER] if rest else []), *([UNREAD] if together[UNREAD] else []))
    for each in counts.values():
        each[OTHER] = sum(each[word] for word in rest)
    return Confusion(
        task=task,
        model=model,
        columns=columns,
        rows=tuple(
            Row(
                word=word,
                n=sum(counts[word][column] for column in columns),
                counts=tuple(counts[word][column] for column in columns),
            )
            for word in words
        ),
    )


def given(line: Prediction) -> str:
    """What was given, as the verifier took it: right is right whatever its spelling."""
    right = label(line, line.answer)
    if line.correct:
        return right
    if not line.extracted or line.status not in ("right", "wrong"):
        return UNREAD
    word = label(line, line.extracted)
    return f"{word} (not taken as {right})" if word == right else word


def _order(word: str) -> tuple[float, str]:
    """Numbers by size, words by letter."""
    try:
        return float(word), word
    except ValueError:
        return float("inf"), word
