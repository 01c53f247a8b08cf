"""Text of a row that a model would take for structure: a forged turn, a picture's place, a part of the target."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterator
from functools import lru_cache

from lingshu_train.record import Sample

TAGS = ("<think>", "</think>", "<answer>", "</answer>")
"""What structures the target of an answer that can be judged (data/chat.py)."""
MARK = "<image>"
"""What stands for a picture in publishers' texts. What it means is for a format to say; none is left in a sample."""


def found(sample: Sample, control_tokens: Collection[str]) -> tuple[str, str]:
    """The field and what in its text is structure; both empty where all of it is text.

    No text may hold a control token or a picture's mark, and neither answer nor reasoning of an answer that can be judged
    may hold a tag of the target.
    """
    anywhere, inside = _pattern((*control_tokens, MARK)), _pattern(TAGS)
    for field, text in _texts(sample):
        match = anywhere.search(text)
        if match is None and sample.question_type != "free" and field in ("answer", "reasoning"):
            match = inside.search(text)
        if match:
            return field, match[0]
    return "", ""


def _texts(sample: Sample) -> Iterator[tuple[str, str]]:
    """Every text that a model may read, composed as tokenizers compose it, with its field."""
    fields = {
        "question": [sample.question],
        "options": [text for option in sample.options.items() for text in option],
        "turns": [text for turn in sample.turns for text in turn],
        "reasoning": [sample.reasoning],
        "answer": [sample.answer, *sample.aliases],
    }
    for field, texts in fields.items():
        for text in texts:
            yield field, text if text.isascii() else unicodedata.normalize("NFC", text)


@lru_cache(maxsize=16)
def _pattern(marks: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(map(re.escape, marks)))
