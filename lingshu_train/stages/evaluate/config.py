"""Greedy answers of one or more models on held-out samples, judged by the verifier that also rewards training."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from lingshu_train.kind import Need, Role, StageConfig


class Config(StageConfig):
    """`models` are the stages whose models are compared, on the same samples. `policy` strict asks for answer tags."""

    distributed: ClassVar[bool] = True
    role: ClassVar[Role] = "results"
    method: ClassVar[str] = "evaluation"
    outputs: ClassVar[tuple[str, ...]] = ("results.json", "predictions")

    judges: ClassVar[bool] = True

    kind: Literal["evaluate"]
    models: tuple[str, ...] = Field(min_length=1)
    corpus: str
    split: str = "held_out"
    tasks: tuple[str, ...] = ()
    policy: Literal["strict", "lenient"] = "lenient"
    max_completion: int = Field(gt=0)
    per_device_batch: int = Field(default=64, gt=0)

    @property
    def needs(self) -> tuple[Need, ...]:
        models = (Need("models", name, "model") for name in self.models)
        return (*models, Need("corpus", self.corpus, "corpus", self.split, self.tasks))
