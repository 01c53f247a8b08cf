"""Pictures that show nothing, or something else than a picture of a patient, are pointed out; no row goes."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field

from lingshu_train.curate._candidate import Candidate
from lingshu_train.curate._decision import Decision
from lingshu_train.curate._looks import Look
from lingshu_train.schema import Strict


class Params(Strict):
    """From where on a picture is pointed out. Medical pictures have black borders, so that black counts late."""

    blank: float = Field(default=2.0, ge=0)
    """Most standard deviation of the grey levels (0 to 255) of a blank picture's thumbnail."""
    black: float = Field(default=0.97, gt=0, le=1)
    """Least share of black pixels."""
    white: float = Field(default=0.6, gt=0, le=1)
    """Least share of white pixels: overexposed, or a page."""
    lettered: float = Field(default=0.004, gt=0, le=1)
    """Least share of blocks of 8 x 8 pixels that look like letters in a line: text burned in."""
    flat: float = Field(default=0.6, gt=0, le=1)
    """Least share of pixels, neither black nor white, that are as their neighbours: a screenshot, a drawing."""


def looks(params: Params) -> bool:
    return True


def judge(row: Candidate, params: Params) -> Iterator[Decision]:
    for picture, look in zip(row.pictures, row.looks, strict=True):
        for reason, value in faults(look, params):
            yield row.flag(reason, evidence=picture.digest, value=f"{value:.3f}")


def faults(look: Look, params: Params) -> Iterator[tuple[str, float]]:
    """What is pointed out of a picture, and how much of it there is."""
    if look.deviation <= params.blank:
        yield "blank", look.deviation
        return
    for reason, value, least in (
        ("nearly black", look.black, params.black),
        ("mostly white", look.white, params.white),
        ("text in the picture", look.lettered, params.lettered),
        ("a screenshot or a drawing", look.flat, params.flat),
    ):
        if value >= least:
            yield reason, value
