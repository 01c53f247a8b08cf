"""What the verifier needs to know of a question, and the two policies of extraction."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import count
from typing import NamedTuple, Protocol

from lingshu_train.record import IMAGE_MARK


class Policy(StrEnum):
    """Which forms of an answer are read. Equality is the same under both.

    strict (training): an answer block, a box or a final-answer heading is required. lenient (evaluation):
    plain text is read too, whole where it is short, else after its last "the answer is".
    """

    strict = "strict"
    lenient = "lenient"


class Question(Protocol):
    """A record with these attributes can be judged; `record.Sample` is one."""

    @property
    def question(self) -> str: ...
    @property
    def question_type(self) -> str: ...
    @property
    def options(self) -> Mapping[str, str]: ...
    @property
    def answer(self) -> str: ...
    @property
    def aliases(self) -> tuple[str, ...]: ...
    @property
    def tol(self) -> float | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A question with its gold answer.

    `tol`: numeric, the allowed absolute difference in the gold's unit; bbox, the least intersection over
    union.
    """

    question: str
    question_type: str
    answer: str
    options: Mapping[str, str] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()
    tol: float | None = None


class Key(NamedTuple):
    """An item as a hashable value: what a prepared gold answer is remembered by."""

    question_type: str
    answer: str
    question: str
    options: tuple[tuple[str, str], ...]
    aliases: tuple[str, ...]
    tol: float | None


def key(item: Question) -> Key:
    """The hashable value of an item. Its pictures' marks are words, "picture 1" and so on, or options that are pictures alone
    would be equal."""
    question, options = item.question, tuple(item.options.items()) if item.options else ()
    if IMAGE_MARK in question or any(IMAGE_MARK in text for _, text in options):
        numbers = count(1)
        question = _worded(question, numbers)
        options = tuple((letter, _worded(text, numbers)) for letter, text in options)
    return Key(
        item.question_type,
        item.answer,
        question,
        options,
        tuple(item.aliases) if item.aliases else (),
        item.tol,
    )


def _worded(text: str, numbers: Iterator[int]) -> str:
    return _MARK.sub(lambda _: f"picture {next(numbers)}", text)


_MARK = re.compile(re.escape(IMAGE_MARK))
