"""Build a small model from nothing: a tokenizer trained on a prepared corpus, random weights. For demonstrations and tests."""

from __future__ import annotations

from typing import ClassVar, Literal

from lingshu_train.stages._config import Provided, StageConfig

OUTPUTS = ("model",)


class Config(StageConfig):
    """`corpus` is the prepare stage whose texts the tokenizer is trained on."""

    provides: ClassVar[Provided | None] = "model"

    kind: Literal["build"]
    corpus: str

    @property
    def needs(self) -> tuple[tuple[str, str, Provided], ...]:
        return (("corpus", self.corpus, "corpus"),)
