"""Export a trained model for everyone: loads with plain transformers, proven equal to what was trained."""

from __future__ import annotations

from typing import ClassVar, Literal

from lingshu_train.kind import Need, Role, StageConfig


class Config(StageConfig):
    """A folder that plain transformers loads, with a model card; `lingshu push` sends it to the hub."""

    role: ClassVar[Role] = "export"
    method: ClassVar[str] = "export"
    outputs: ClassVar[tuple[str, ...]] = ("export",)
    brief: ClassVar[bool] = True

    kind: Literal["export"]
    model: str
    """The stage whose model to export."""
    adapter: bool = False
    """Export what the stage has trained beside its base, in peft's format, instead of the whole model. For a stage that trains
    through an adapter and starts from the recipe's own base, which everyone can get."""
    results: str = ""
    """The evaluate stage whose figures the model card quotes; empty quotes none."""

    @property
    def opens_base(self) -> bool:
        """An adapter is opened on the base that it names, to see that it answers as the trained model does."""
        return self.adapter

    @property
    def needs(self) -> tuple[Need, ...]:
        results = [Need("results", self.results, "results")] if self.results else []
        output = "adapter" if self.adapter else ""
        return (Need("model", self.model, "model", output=output), *results)
