"""What a recipe says of an altered stage: which rows of which corpora, and what is changed in them."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from lingshu_train.kind import Need, Role, StageConfig
from lingshu_train.schema import Strict


class Part(Strict):
    """Rows of one corpus. The n-th row of a task is counted within its split."""

    corpus: str
    """The prepare stage that they come from."""
    tasks: tuple[str, ...] = Field(min_length=1)
    """Tasks to take."""
    split: str = "train"
    """The split that they come from."""
    to: str = ""
    """The split that they go to; empty: the same."""
    first: int = 0
    """The first row of each task."""
    count: int = Field(gt=0)
    """Rows of each task."""
    suffix: str = ""
    """Goes behind the name of each task, so that a table tells them apart."""
    traces: bool = True
    """Whether the reasoning stays."""
    noise: float = Field(default=0.0, ge=0, lt=1)
    """The share of rows whose answer becomes the other one."""
    blank: bool = False
    """An even grey in place of the picture."""
    words: dict[str, str] = Field(default_factory=dict)
    """Questions that are asked in other words."""


class Config(StageConfig):
    """Rows of other corpora, changed."""

    role: ClassVar[Role] = "corpus"
    method: ClassVar[str] = "altering data"
    outputs: ClassVar[tuple[str, ...]] = ("corpus",)
    told: ClassVar[tuple[str, ...]] = ("kind",)

    kind: Literal["altered"]
    parts: tuple[Part, ...] = Field(min_length=1)
    """What it is made of, in order."""

    @property
    def needs(self) -> tuple[Need, ...]:
        return tuple(
            Need(f"parts.{n}.corpus", one.corpus, "corpus", one.split, one.tasks)
            for n, one in enumerate(self.parts)
        )
