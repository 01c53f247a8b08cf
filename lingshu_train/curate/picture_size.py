"""Rows with a picture too small or too narrow to be read go."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field

from lingshu_train.curate._candidate import Candidate
from lingshu_train.curate._decision import Decision
from lingshu_train.schema import Strict


class Params(Strict):
    """Which pictures can be read."""

    least_side: int = Field(default=64, gt=0)
    """Fewest pixels of a side, as stored (the paper, section 2.2, drops pictures with a side under 64)."""
    most_aspect: float = Field(default=200.0, ge=1)
    """Most that the longer side may be of the shorter (a published processor refuses more than 200)."""


def judge(row: Candidate, params: Params) -> Iterator[Decision]:
    for picture in row.pictures:
        short, long = sorted((picture.width, picture.height))
        if short < params.least_side:
            yield row.drop(f"a side under {params.least_side} pixels", evidence=picture.digest)
            return
        if long > params.most_aspect * short:
            reason = f"a side more than {params.most_aspect:g} times the other"
            yield row.drop(reason, evidence=picture.digest)
            return
