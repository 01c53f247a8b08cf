"""Rows that ask the same of the same pictures and have another answer are pointed out, all of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np

from lingshu_train.curate import _words
from lingshu_train.curate._candidate import Candidate
from lingshu_train.curate._decision import Decision
from lingshu_train.curate._phase import Phase
from lingshu_train.curate._rows import Rows
from lingshu_train.data.images.hashes import Ints
from lingshu_train.schema import Strict

MEASURED = np.dtype(("u8", (2,)))
"""Keys of what is asked and of what is answered; 0 and 0 for a row that no rule can judge."""
VERSION = 1
"""Of what is measured: see `Measuring`."""


class Params(Strict):
    """Rows whose answer a rule can judge: two captions of one picture do not contradict each other."""

    action: Literal["flag", "drop"] = "flag"
    """What becomes of them. Dropping takes right ones along, since which is right is not known."""


def measure(row: Candidate, params: Params) -> tuple[int, int]:
    sample = row.sample
    if sample.question_type == "free":
        return 0, 0
    turns = "\n".join(text for turn in sample.turns for text in turn)
    question = _words.key("\n".join((*sample.images, turns, _words.asked(sample))))
    return question, _words.key(_words.plain(sample.answer))


def decide(rows: Rows, params: Params) -> Iterator[Decision]:
    for pairs in rows.arrays("others"):
        for number, other in pairs.tolist():
            row, evidence = rows.candidate(number), rows.candidate(other).sample.id
            decided = row.drop if params.action == "drop" else row.flag
            yield decided("the same question has another answer", evidence=evidence)


def _ranges(rows: Rows, params: Params) -> int:
    return rows.cut.ranges(len(rows.left))


def _others(rows: Rows, params: Params, part: int) -> Ints:
    """(n, 2): numbers of own rows and of the first row that answers otherwise, for a range of keys."""
    assert rows.measured is not None
    numbers = rows.keyed(0, part, _ranges(rows, params))
    found = [np.empty((0, 2), np.int64)]
    for run in _words.runs(rows.measured[numbers, 0]):
        here, answers = numbers[run], rows.measured[numbers[run], 1]
        differ = np.flatnonzero(answers != answers[0])
        if len(differ):
            other = np.where(answers == answers[0], here[differ[0]], here[0])
            found.append(np.stack((here, other), axis=1)[here < rows.own])
    return np.concatenate(found)


PHASES = (Phase(name="others", jobs=_ranges, make=_others),)
