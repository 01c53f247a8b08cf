"""Rows that ask the same of the same pictures and have another answer are pointed out, all of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np

from lingshu_train.curate import _words
from lingshu_train.curate._candidate import Candidate
from lingshu_train.curate._decision import Decision
from lingshu_train.curate._rows import Rows
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
    assert rows.measured is not None
    numbers = rows.numbers("known", "own")
    keys = rows.measured[numbers]
    some = np.flatnonzero(keys[:, 0])
    numbers, keys = numbers[some], keys[some]
    for run in _words.runs(keys[:, 0]):
        answers = keys[run, 1]
        if len(np.unique(answers)) == 1:
            continue
        for place in run.tolist():
            other = int(run[np.flatnonzero(answers != keys[place, 1])[0]])
            row = rows.candidate(int(numbers[place]))
            evidence = rows.candidate(int(numbers[other])).sample.id
            decided = row.drop if params.action == "drop" else row.flag
            yield decided("the same question has another answer", evidence=evidence)
