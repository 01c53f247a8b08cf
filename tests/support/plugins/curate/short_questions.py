"""A step of curation in one file: rows whose question has few words go."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lingshu_train.curate._steps import Candidate, Decision
from lingshu_train.schema import Strict


class Params(Strict):
    fewest: int = 3
    """Fewest words of a question."""


def decide(rows: Iterable[Candidate], params: Params) -> Iterator[Decision]:
    for row in rows:
        if len(row.sample.question.split()) < params.fewest:
            yield Decision(row=row.number, sample=row.sample.id, reason="few words")
