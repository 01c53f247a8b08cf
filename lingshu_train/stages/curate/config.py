"""What a recipe says of a curate stage: a corpus, and the steps it goes through."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from lingshu_train.curate import _steps
from lingshu_train.kind import Need, PlanLine, Role, StageConfig


class Config(StageConfig):
    """A corpus goes through steps that leave rows out. Rows and pictures are not copied, and `decisions.parquet` says
    of each row that went at which step and why."""

    role: ClassVar[Role] = "corpus"
    method: ClassVar[str] = "curation"
    outputs: ClassVar[tuple[str, ...]] = ("corpus", "decisions.parquet")
    told: ClassVar[tuple[str, ...]] = ("kind", "corpus", "steps")

    kind: Literal["curate"]
    corpus: str
    """The prepare or curate stage to go through."""
    steps: tuple[_steps.StepChoice, ...] = Field(min_length=1)
    """Steps that follow one another: a row that goes at one is not seen by the next. For example `[{name:
    exact_duplicates}]`."""
    most_withdrawn: float = Field(default=0.5, ge=0, le=1)
    """Share of the rows that may go; more stops the stage, since then a step's setting, not the data, is at fault."""

    @property
    def needs(self) -> tuple[Need, ...]:
        return (Need("corpus", self.corpus, "corpus"),)

    def describe(self) -> tuple[PlanLine, ...]:
        return (PlanLine("steps", ", ".join(map(str, self.steps))),)

    def check(self, where: str) -> None:
        _steps.check(self.steps, where=f"{where}.steps")
