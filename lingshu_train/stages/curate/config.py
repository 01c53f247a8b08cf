"""What a recipe says of a curate stage: a corpus, the steps it goes through, and what it is compared with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field, JsonValue

from lingshu_train.curate import _steps
from lingshu_train.kind import Need, PlanLine, Role, StageConfig


class Config(StageConfig):
    """A corpus goes through steps that leave rows out or say something of them. Rows and pictures are not copied, and
    `decisions.parquet` says of each row what was decided at which step and why."""

    role: ClassVar[Role] = "corpus"
    method: ClassVar[str] = "curation"
    outputs: ClassVar[tuple[str, ...]] = ("corpus", "decisions.parquet")
    told: ClassVar[tuple[str, ...]] = ("kind", "corpus", "steps", "known", "benchmarks")
    added: ClassVar[Mapping[str, JsonValue]] = {"known": [], "benchmarks": []}

    kind: Literal["curate"]
    corpus: str
    """The prepare or curate stage to go through."""
    steps: tuple[_steps.StepChoice, ...] = Field(min_length=1)
    """Steps that follow one another: a row that goes at one is not seen by the next. For example `[{name:
    exact_duplicates}]`."""
    known: tuple[str, ...] = ()
    """Prepare or curate stages whose rows are there already: copies of them go, and of them nothing is decided. So a new card
    is compared with what there is, which is not compared again."""
    benchmarks: tuple[str, ...] = ()
    """Prepare stages whose rows must not be trained on: see the step `decontamination`."""
    most_withdrawn: float = Field(default=0.5, ge=0, le=1)
    """Share of the rows that may go; more stops the stage, since then a step's setting, not the data, is at fault."""

    @property
    def needs(self) -> tuple[Need, ...]:
        return (
            Need("corpus", self.corpus, "corpus"),
            *(Need("known", name, "corpus") for name in self.known),
            *(Need("benchmarks", name, "corpus") for name in self.benchmarks),
        )

    @property
    def files(self) -> tuple[str, ...]:
        return _steps.files(self.steps, where="steps")

    def describe(self) -> tuple[PlanLine, ...]:
        others = (("known", self.known), ("apart", self.benchmarks))
        return (
            PlanLine("steps", ", ".join(map(str, self.steps))),
            *(PlanLine(label, ", ".join(names)) for label, names in others if names),
        )

    def check(self, where: str) -> None:
        _steps.check(self.steps, where=f"{where}.steps")
