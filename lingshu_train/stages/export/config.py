"""Export a trained model for everyone: loads with plain transformers, proven equal to what was trained."""

from __future__ import annotations

from typing import ClassVar, Literal

from lingshu_train.kind import Need, Role, StageConfig


class Config(StageConfig):
    """`model` is the stage to export; `results` the evaluate stage whose figures the model card quotes."""

    role: ClassVar[Role] = "export"
    method: ClassVar[str] = "export"
    outputs: ClassVar[tuple[str, ...]] = ("export",)

    kind: Literal["export"]
    model: str
    results: str = ""

    @property
    def needs(self) -> tuple[Need, ...]:
        results = [Need("results", self.results, "results")] if self.results else []
        return (Need("model", self.model, "model"), *results)
