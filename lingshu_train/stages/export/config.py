"""Export a trained model for everyone: loads with plain transformers, proven equal to what was trained."""

from __future__ import annotations

from typing import Literal

from lingshu_train.stages._config import Provided, StageConfig

OUTPUTS = ("export",)


class Config(StageConfig):
    """`model` is the stage to export; `results` the evaluate stage whose figures the model card quotes."""

    kind: Literal["export"]
    model: str
    results: str = ""

    @property
    def needs(self) -> tuple[tuple[str, str, Provided], ...]:
        results: list[tuple[str, str, Provided]] = (
            [("results", self.results, "results")] if self.results else []
        )
        return (("model", self.model, "model"), *results)
