"""Text of a row that a model would take for structure: a forged turn, a picture's place, a part of the target."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterator
from functools import lru_cache
from typing import Literal, NamedTuple

from lingshu_train.data import chat
from lingshu_train.record import IMAGE_MARK, Sample

TAGS = ("<think>", "</think>", "<answer>", "</answer>")
"""What structures the target of an answer that can be judged (data/chat.py)."""
Kind = Literal["a control token", "a picture's mark", "a tag of the target"]


class Forgery(NamedTuple):
    """The `field` whose text holds `mark`, and what `kind` of structure a model would take it for."""

    field: str
    mark: str
    kind: Kind

    def __str__(self) -> str:
        return f"{self.field}: {self.mark!r} is {self.kind}, not text"


def found(sample: Sample, control: Collection[str], *, pictures: int) -> Forgery | None:
    """The first of it; None where all text is text. `control`: the tokens of the family, or of a tokenizer. `pictures`: how
    many the sample has.

    No text may hold a control token. A picture's mark stands in questions and options alone, once for each picture or not at
    all. No answer in tags, nor its reasoning, may hold a tag.
    """
    control_token, tag = _pattern(tuple(control)), _pattern(TAGS)
    tagged = sample.question_type != "free" or (bool(sample.reasoning) and not sample.form)
    marks = chat.marks(sample)
    for field, text, use in _texts(sample):
        match = control_token.search(text) if control else None
        if match:
            return Forgery(field, match[0], "a control token")
        if IMAGE_MARK in text and (use != "asked" or marks != pictures):
            return Forgery(field, IMAGE_MARK, "a picture's mark")
        match = tag.search(text) if tagged and use == "taught" else None
        if match:
            return Forgery(field, match[0], "a tag of the target")
    return None


def _texts(sample: Sample) -> Iterator[tuple[str, str, str]]:
    """Every text that a model may read, composed as tokenizers compose it, with its field and what it is used for: pictures may
    stand in what is asked, and what is taught may stand in tags."""
    asked, answers = zip(*sample.turns, strict=True) if sample.turns else ((), ())
    fields = (
        ("system", [sample.system], ""),
        ("question", [sample.question], "asked"),
        ("answer", [sample.answer], "taught"),
        ("turn", asked, "asked"),
        ("turn", answers, "taught"),
        ("option", sample.options.values(), "asked"),
        ("option", sample.options, ""),
        ("reasoning", [sample.reasoning], "taught"),
        ("form", [sample.form], ""),
        ("alias", sample.aliases, ""),
    )
    for field, texts, use in fields:
        for text in texts:
            yield field, text if text.isascii() else unicodedata.normalize("NFC", text), use


@lru_cache(maxsize=16)
def _pattern(marks: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(map(re.escape, marks)))
