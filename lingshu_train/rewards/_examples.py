"""The small question that reward examples share."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from lingshu_train.record import Completion, Sample


class Example(NamedTuple):
    """One case of a reward: what it sees and the value it must give (None: unscored)."""

    sample: Sample
    completion: Completion
    expected: float | None
    params: Mapping[str, Any] = MappingProxyType({})


def example(
    text: str,
    expected: float | None,
    *,
    tokens: tuple[int, ...] = (),
    max_tokens: int = 0,
    params: dict[str, Any] | None = None,
    **changes: Any,
) -> Example:
    """An example on a two-option question; `changes` replace fields of the sample."""
    fields: dict[str, Any] = {
        "id": "example",
        "card": "none",
        "split": "train",
        "task": "vqa",
        "question": "Which eye shows the larger optic cup?",
        "question_type": "mcq",
        "options": {"A": "Right eye", "B": "Left eye"},
        "answer": "B",
    }
    sample = Sample(**(fields | changes))
    return Example(
        sample, Completion(text=text, token_ids=tokens, max_tokens=max_tokens), expected, params or {}
    )
