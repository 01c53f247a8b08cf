"""Build a small model from nothing: a tokenizer trained on a prepared corpus, random weights. For demonstrations and tests."""

from __future__ import annotations

from typing import ClassVar, Literal

from lingshu_train.kind import Need, Role, StageConfig


class Config(StageConfig):
    """Makes a small model from nothing, as `model.shape` and `model.build` say."""

    role: ClassVar[Role] = "model"
    method: ClassVar[str] = "building a model"
    outputs: ClassVar[tuple[str, ...]] = ("model",)
    brief: ClassVar[bool] = True

    kind: Literal["build"]
    corpus: str
    """The prepare stage whose texts the tokenizer is trained on."""

    @property
    def needs(self) -> tuple[Need, ...]:
        return (Need("corpus", self.corpus, "corpus"),)
