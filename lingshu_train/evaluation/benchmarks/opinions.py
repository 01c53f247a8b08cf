"""A language model's opinion of the answers that no rule could read, and how often it agrees with the rules on others.

It is asked of short answers alone, after everything is scored, and changes no score: what it says stands beside. Replies are
kept by their requests, so that the same command again asks nothing. What it could not be asked, or did not answer as it should,
is counted and is neither right nor wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lingshu_train.documents import decoded, read_text
from lingshu_train.errors import DataError
from lingshu_train.naming import digest
from lingshu_train.record import Completion, Sample
from lingshu_train.rewards import judge
from lingshu_train.runs.files import write_json
from lingshu_train.schema import Strict, parse
from lingshu_train.verify import answer_text

NAME = "opinions.json"
_COMPARED = 50
"""Answers of a benchmark that rules read and the judge is asked of too."""
_READ = ("right", "wrong")


class Opinions(Strict):
    """Of one benchmark and model. `unread`: short answers that no rule read, of which the judge found `right` and `wrong`, and
    left `unscored`. `agreed` of `compared` answers, which rules read as well. `accuracy`: the share that lenient or the judge
    found right, of all but the unscored."""

    name: str
    unread: int
    right: int
    wrong: int
    unscored: int
    compared: int
    agreed: int
    accuracy: float


class _Row(Strict, extra="ignore"):
    """What is read of a line of scored/NAME.jsonl."""

    id: str
    card: str
    question: str
    question_type: str
    gold: str
    text: str
    status: str
    lenient: bool


def opinions(scored: Path, params: judge.Params) -> Opinions:
    """Of the answers in a file of scored ones."""
    rows = [
        parse(_Row, decoded(line, where=str(scored)), where=str(scored), error=DataError)
        for line in read_text(scored).split("\n")
        if line
    ]
    ruled = [row for row in rows if row.status != "free"]
    unread = [row for row in ruled if row.question_type == "short" and row.status == "unreadable"]
    others = [row for row in ruled if row.question_type == "short" and row.status in _READ]
    drawn = sorted(others, key=lambda row: digest(row.id))[:_COMPARED]
    said = [_asked(row, params) for row in unread]
    again = [(row, value) for row in drawn if (value := _asked(row, params)) is not None]
    counted = len(ruled) - said.count(None)
    return Opinions(
        name=scored.stem,
        unread=len(unread),
        right=said.count(True),
        wrong=said.count(False),
        unscored=said.count(None),
        compared=len(again),
        agreed=sum(row.lenient == value for row, value in again),
        accuracy=(sum(row.lenient for row in ruled) + said.count(True)) / counted if counted else 0.0,
    )


def written(folder: Path, found: Sequence[Opinions], by: str) -> None:
    """Keep them beside results.json, with the judge's name."""
    rows = [one.model_dump(mode="json") for one in found]
    write_json(folder / NAME, {"judge": by, "opinions": rows})


def text(model: str, by: str, found: Sequence[Opinions]) -> str:
    """A line for each benchmark that has short answers to read or to compare."""
    return "\n".join(
        f"{one.name}, {model}: judge {by}: of {one.unread} unread answers {one.right} right, {one.wrong} wrong, "
        f"{one.unscored} unscored; {100 * one.accuracy:.1f} with them; agrees with the rules on {one.agreed} of {one.compared}"
        for one in found
        if one.unread or one.compared
    )


def _asked(row: _Row, params: judge.Params) -> bool | None:
    """None: no opinion. An answer that is empty or too long to judge was not asked about."""
    sample = Sample(
        id=row.id,
        card=row.card,
        split="judged",
        task="judged",
        question=row.question,
        question_type="short",
        answer=row.gold,
    )
    # A model that was never taught the form answers without a mark: then all that it said is its answer.
    answer = answer_text(row.text) or row.text.strip()
    score = judge.opinion(sample, Completion(text=f"<answer>{answer}</answer>"), params)
    return None if score.value is None or score.status == "no_answer" else score.value == 1.0
