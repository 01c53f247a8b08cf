"""What a recipe says of a plain_sgd stage."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from lingshu_train.kind import Chart, Need, PlanLine, Role, StageConfig


class Config(StageConfig):
    role: ClassVar[Role] = "model"
    method: ClassVar[str] = "plain descent"
    outputs: ClassVar[tuple[str, ...]] = ("model", "ledger.jsonl")
    charts: ClassVar[tuple[Chart, ...]] = (
        Chart(title="Surprise", columns=("surprise",), y="nats per token"),
        Chart(title="Pull", columns=("pull",), y="L2 norm of the gradient", aside=True),
    )
    told: ClassVar[tuple[str, ...]] = ("kind", "corpus")

    kind: Literal["plain_sgd"]
    base: str
    """The stage whose model to start from."""
    corpus: str
    """The prepare stage that the rows come from."""
    rate: float = Field(gt=0)
    """Learning rate of every part."""
    steps: int = Field(gt=0)
    """Steps to take."""

    @property
    def needs(self) -> tuple[Need, ...]:
        return Need("base", self.base, "model"), Need("corpus", self.corpus, "corpus")

    @property
    def starts_from(self) -> str:
        return self.base

    @property
    def trains(self) -> tuple[str, ...]:
        return ("language_model",)

    @property
    def rates(self) -> dict[str, float]:
        return {"language_model": self.rate}

    def describe(self) -> tuple[PlanLine, ...]:
        return (PlanLine("texts", f"every training text of {self.corpus}, one a step"),)
