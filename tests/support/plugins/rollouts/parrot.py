"""An engine in one file: says the same to everyone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Self

from lingshu_train.record import Completion, Prompt, Sampling
from lingshu_train.rollouts import Weights
from lingshu_train.schema import Strict


class Params(Strict):
    word: str
    """What it answers."""


class start:
    def __init__(self, params: Params, weights: Weights | None) -> None:
        self._word = params.word

    def answer(self, prompts: Sequence[Prompt], sampling: Sampling) -> Iterator[Completion]:
        for _ in prompts:
            yield Completion(text=self._word)

    def close(self) -> None: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *fault: object) -> None: ...
