"""Build a small model from nothing: a tokenizer trained on a prepared corpus, random weights. For demonstrations and tests."""

from __future__ import annotations

from typing import ClassVar, Literal

from lingshu_train.kind import Need, Role, StageConfig


class Config(StageConfig):
    """`corpus` is the prepare stage whose texts the tokenizer is trained on."""

    role: ClassVar[Role] = "model"
    method: ClassVar[str] = "building a model"
    outputs: ClassVar[tuple[str, ...]] = ("model",)

    kind: Literal["build"]
    corpus: str

    @property
    def needs(self) -> tuple[Need, ...]:
        return (Need("corpus", self.corpus, "corpus"),)
