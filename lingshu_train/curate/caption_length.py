"""Captions and reports that are too short or too long go."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field

from lingshu_train.curate import _words
from lingshu_train.curate._candidate import Candidate
from lingshu_train.curate._decision import Decision
from lingshu_train.record import AnswerType
from lingshu_train.schema import Strict


class Params(Strict):
    """Words are counted, each number and each Chinese sign as one. The paper (section 2.2) drops captions under 10 or over
    1,024 tokens and names no tokenizer."""

    least: int = Field(default=10, ge=0)
    """Fewest words of an answer."""
    most: int = Field(default=1024, ge=1)
    """Most words of an answer."""
    types: tuple[AnswerType, ...] = ("free",)
    """Types of rows that are counted."""
    tasks: tuple[str, ...] = ()
    """Tasks whose rows are counted, such as caption and report; empty: all. An answer of a dialogue may be short."""


def judge(row: Candidate, params: Params) -> Iterator[Decision]:
    sample = row.sample
    if sample.question_type not in params.types or (params.tasks and sample.task not in params.tasks):
        return
    count = len(_words.words(sample.answer))
    if count < params.least:
        yield row.drop(f"fewer than {params.least} words", value=str(count))
    elif count > params.most:
        yield row.drop(f"more than {params.most} words", value=str(count))
