"""The small question that reward examples share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import NamedTuple, TypedDict, Unpack

from pydantic import JsonValue

from lingshu_train.record import AnswerType, Completion, Sample

_NONE: Mapping[str, JsonValue] = MappingProxyType({})
_QUESTION = Sample(
    id="example",
    card="none",
    split="train",
    task="vqa",
    question="Which eye shows the larger optic cup?",
    question_type="mcq",
    options={"A": "Right eye", "B": "Left eye"},
    answer="B",
)


class Example(NamedTuple):
    """One case of a reward: what it sees and the value it must give (None: unscored)."""

    sample: Sample
    completion: Completion
    expected: float | None
    params: Mapping[str, JsonValue] = _NONE


class Changes(TypedDict, total=False):
    """What an example may ask instead."""

    question: str
    question_type: AnswerType
    options: Mapping[str, str]
    answer: str


def example(
    text: str,
    expected: float | None,
    *,
    tokens: tuple[int, ...] = (),
    max_tokens: int = 0,
    params: Mapping[str, JsonValue] = _NONE,
    **changes: Unpack[Changes],
) -> Example:
    """An example on a two-option question; `changes` replace fields of the sample."""
    completion = Completion(text=text, token_ids=tokens, max_tokens=max_tokens)
    return Example(replace(_QUESTION, **changes), completion, expected, params)
