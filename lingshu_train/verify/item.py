"""What the verifier needs to know of a question, and the two policies of extraction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple, Protocol


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
    """The hashable value of an item."""
    return Key(
        item.question_type,
        item.answer,
        item.question,
        tuple(item.options.items()) if item.options else (),
        tuple(item.aliases) if item.aliases else (),
        item.tol,
    )
