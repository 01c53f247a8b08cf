"""A step of curation in one file: rows whose question has few words go."""

from __future__ import annotations

from collections.abc import Iterator

from lingshu_train.curate._candidate import Candidate
from lingshu_train.curate._decision import Decision
from lingshu_train.schema import Strict


class Params(Strict):
    fewest: int = 3
    """Fewest words of a question."""


def judge(row: Candidate, params: Params) -> Iterator[Decision]:
    if len(row.sample.question.split()) < params.fewest:
        yield row.drop("few words")
