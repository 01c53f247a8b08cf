"""Export a trained model for everyone: loads with plain transformers, proven equal to what was trained."""

from __future__ import annotations

from typing import Any, Literal

from lingshu_train.errors import RecipeError
from lingshu_train.runs.stage import Stage
from lingshu_train.schema import parse
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


def run(stage: Stage) -> dict[str, Any]:
    """Write `export/`: safetensors, configs, processor files and the model card."""
    from lingshu_train.trainers import exporting

    return exporting.export(
        stage, parse(Config, stage.config, where=f"stages.{stage.name}", error=RecipeError)
    )
