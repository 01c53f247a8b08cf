"""Greedy answers of one or more models on held-out samples, judged by the verifier that also rewards training."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, JsonValue

from lingshu_train.errors import RecipeError
from lingshu_train.kind import Need, Role, StageConfig
from lingshu_train.rollouts import OURS, Choice

BASE = "base"
"""What the model that the recipe starts from is called in results."""


class Config(StageConfig):
    """Greedy answers of one or more models on held-out samples, judged by the verifier that also rewards training."""

    distributed: ClassVar[bool] = True
    role: ClassVar[Role] = "results"
    method: ClassVar[str] = "evaluation"
    outputs: ClassVar[tuple[str, ...]] = ("results.json", "predictions", "answers", "scored")

    judges: ClassVar[bool] = True

    kind: Literal["evaluate"]
    models: tuple[str, ...] = Field(min_length=1)
    """The stages whose models are compared, on the same samples."""
    with_base: bool = False
    """Ask the model that the recipe starts from (`model.base`) first, as `base`: it shows what training added."""
    corpus: str
    """The prepare or curate stage that the questions come from."""
    split: str = "held_out"
    """The split they come from."""
    tasks: tuple[str, ...] = ()
    """Only questions of these tasks; empty takes all that a rule can judge, and the free text of benchmarks, such as reports.
    Other free text is asked where its task is named here."""
    policy: Literal["strict", "lenient"] = "lenient"
    """`strict` asks for answer tags, as the rewards do; `lenient` reads plain text too."""
    max_completion: int = Field(gt=0)
    """Most tokens of an answer."""
    per_device_batch: int = Field(default=64, gt=0)
    """Questions answered in one forward pass of one process, by engine `transformers`."""
    rollouts: Choice = Choice()
    """Who answers (docs/engines.md)."""

    @property
    def needs(self) -> tuple[Need, ...]:
        models = (Need("models", name, "model") for name in self.models)
        return (*models, Need("corpus", self.corpus, "corpus", self.split, self.tasks))

    @property
    def asked(self) -> tuple[str, ...]:
        """What results are called, in the order in which the models answer."""
        return (BASE, *self.models) if self.with_base else self.models

    @property
    def engine_params(self) -> dict[str, JsonValue]:
        """What the engine is told."""
        own: dict[str, JsonValue] = {"batch": self.per_device_batch} if self.rollouts.engine == OURS else {}
        return own | self.rollouts.params

    @property
    def opens_base(self) -> bool:
        return self.with_base

    @property
    def naming(self) -> dict[str, JsonValue]:
        return {key: value for key, value in super().naming.items() if key != "rollouts"} | dict(
            self.rollouts.naming
        )

    def check(self, where: str) -> None:
        self.rollouts.check(f"{where}.rollouts")
        if self.with_base and BASE in self.models:
            raise RecipeError(
                f"{where}.models: {BASE!r} is what with_base calls the model that the recipe starts from; rename the stage, "
                "or leave one of them out"
            )
