"""What a recipe says of a difficulty stage: a corpus, the model that answers it, how often, and which rates stay."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, JsonValue

from lingshu_train.errors import RecipeError
from lingshu_train.kind import Need, PlanLine, Role, StageConfig
from lingshu_train.rollouts import OURS, Choice


class Config(StageConfig):
    """A model answers every question of a corpus several times; the share of right answers is its pass rate, a column in
    `pass_rates.parquet`. The corpus goes on without the rows whose rate is outside the bounds. Rows and pictures are not
    copied; rows that were not asked, of other splits or tasks or such as no rule can judge, stay."""

    role: ClassVar[Role] = "corpus"
    method: ClassVar[str] = "difficulty"
    outputs: ClassVar[tuple[str, ...]] = ("corpus", "pass_rates.parquet")
    judges: ClassVar[bool] = True

    kind: Literal["difficulty"]
    corpus: str
    """The prepare or curate stage that the questions come from."""
    model: str = ""
    """The stage whose model answers, the one that reinforcement learning is to start from; empty: the recipe's model."""
    split: str = "train"
    """The split whose questions are asked."""
    tasks: tuple[str, ...] = ()
    """Only questions of these tasks; empty takes all that a rule can judge."""
    samples: int = Field(default=8, gt=0)
    """Answers drawn to each question."""
    temperature: float = Field(default=1.0, gt=0)
    """Temperature at which they are drawn."""
    max_completion: int = Field(gt=0)
    """Most tokens of an answer."""
    policy: Literal["strict", "lenient"] = "strict"
    """`strict` asks for answer tags, as the rewards do; `lenient` reads plain text too."""
    least: float = Field(default=0.0, ge=0, le=1)
    """Rows with a lower pass rate go. For example 0.125 of 8 answers: one at least was right."""
    most: float = Field(default=1.0, ge=0, le=1)
    """Rows with a higher one go."""
    per_device_batch: int = Field(default=64, gt=0)
    """Answers drawn in one call, by engine `transformers`."""
    rollouts: Choice = Choice()
    """Who answers (docs/engines.md). This stage runs on one process; on many GPUs an engine of several replicas answers."""

    @property
    def needs(self) -> tuple[Need, ...]:
        model = [Need("model", self.model, "model")] if self.model else []
        return (*model, Need("corpus", self.corpus, "corpus", self.split, self.tasks))

    @property
    def opens_base(self) -> bool:
        return not self.model

    @property
    def engine_params(self) -> dict[str, JsonValue]:
        """What the engine is told."""
        own: dict[str, JsonValue] = {"batch": self.per_device_batch} if self.rollouts.engine == OURS else {}
        return own | self.rollouts.params

    @property
    def naming(self) -> dict[str, JsonValue]:
        return {key: value for key, value in super().naming.items() if key != "rollouts"} | dict(
            self.rollouts.naming
        )

    def describe(self) -> tuple[PlanLine, ...]:
        bounds = f"rows of {self.least:g} to {self.most:g} right answers stay"
        return (
            PlanLine("rate", f"{self.samples} answers a question of {self.corpus}, {self.split}; {bounds}"),
        )

    def check(self, where: str) -> None:
        self.rollouts.check(f"{where}.rollouts")
        if self.least > self.most:
            raise RecipeError(
                f"{where}.least: {self.least:g} is above most ({self.most:g}), so that no row would stay"
            )
