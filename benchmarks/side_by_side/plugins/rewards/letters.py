"""A reward of the comparison: the share of vowels among the letters of a completion. It reads nothing but the text."""

from __future__ import annotations

from lingshu_train.record import Completion, Sample, Score
from lingshu_train.schema import Strict


class Params(Strict):
    """None."""


EXAMPLES = ()


def score(sample: Sample, completion: Completion, params: Params) -> Score:
    """From 0 to 1."""
    letters = [letter for letter in completion.text.lower() if letter.isalpha()]
    return Score(value=sum(letter in "aeiou" for letter in letters) / max(len(letters), 1), status="scored")
