"""Text of a row that a model would take for structure: a forged turn, a picture's place, a part of the target."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterator
from functools import lru_cache
from typing import Literal, NamedTuple

from lingshu_train.record import Sample

TAGS = ("<think>", "</think>", "<answer>", "</answer>")
"""What structures the target of an answer that can be judged (data/chat.py)."""
TARGET = ("answer", "reasoning")
"""The fields that a target is made of."""
MARK = "<image>"
"""What stands for a picture in publishers' texts. What it means is for a format to say; none is left in a sample."""


class Forgery(NamedTuple):
    """The `field` whose text holds `mark`, and what `kind` of structure a model would take it for."""

    field: str
    mark: str
    kind: Literal["a control token", "a picture's mark", "a tag of the target"]

    def __str__(self) -> str:
        return f"{self.field}: {self.mark!r} is {self.kind}, not text"


def found(sample: Sample, control: Collection[str]) -> Forgery | None:
    """The first of it; None where all text is text. `control`: the tokens of the family, or of a tokenizer.

    No text may hold a control token or a picture's mark, and neither answer nor reasoning of an answer that can be judged
    may hold a tag of the target.
    """
    anywhere, inside = _pattern((*control, MARK)), _pattern(TAGS)
    for field, text in _texts(sample):
        match = anywhere.search(text)
        if match:
            return Forgery(field, match[0], "a picture's mark" if match[0] == MARK else "a control token")
        match = inside.search(text) if sample.question_type != "free" and field in TARGET else None
        if match:
            return Forgery(field, match[0], "a tag of the target")
    return None


def _texts(sample: Sample) -> Iterator[tuple[str, str]]:
    """Every text that a model may read, composed as tokenizers compose it, with its field."""
    fields = {
        "question": [sample.question],
        "answer": [sample.answer],
        "turn": [text for turn in sample.turns for text in turn],
        "option": [text for option in sample.options.items() for text in option],
        "reasoning": [sample.reasoning],
        "alias": sample.aliases,
    }
    for field, texts in fields.items():
        for text in texts:
            yield field, text if text.isascii() else unicodedata.normalize("NFC", text)


@lru_cache(maxsize=16)
def _pattern(marks: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(map(re.escape, marks)))
