"""A row under examination, as a step sees it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from lingshu_train.curate._decision import Decision
from lingshu_train.curate._looks import Look
from lingshu_train.data.corpus.records import Location
from lingshu_train.record import Sample

Part = Literal["own", "known", "benchmark"]
"""Rows of the corpus that is curated; of corpora that it is compared with, whose rows come first; and of those that must not be
trained on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A row: its number, its sample, where its pictures lie, and how they look where the step asks for it.

    The number is that in the whole corpus; rows of other corpora are numbered on behind it.
    """

    number: int
    sample: Sample
    pictures: tuple[Location, ...]
    looks: tuple[Look, ...] = ()
    part: Part = "own"

    def drop(self, reason: str, *, evidence: str = "", value: str = "") -> Decision:
        """That the row goes."""
        return Decision(row=self.number, sample=self.sample.id, reason=reason, evidence=evidence, value=value)

    def flag(self, reason: str, *, evidence: str = "", value: str = "") -> Decision:
        """That the row stays and is pointed out."""
        return Decision(
            row=self.number,
            sample=self.sample.id,
            reason=reason,
            evidence=evidence,
            value=value,
            action="flag",
        )

    def tag(self, reason: str, *, value: str) -> Decision:
        """That `value` is said of the row."""
        return Decision(row=self.number, sample=self.sample.id, reason=reason, value=value, action="tag")

    def texts(self) -> Iterator[tuple[str, str]]:
        """Name and text of everything in the row that a model reads or learns, without what stands in every row."""
        sample = self.sample
        for question, answer in sample.turns:
            yield from (("turn", question), ("turn", answer))
        yield from (("question", sample.question), ("reasoning", sample.reasoning), ("answer", sample.answer))
