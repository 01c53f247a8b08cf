"""The order of the plainest mixture: one corpus of `size` rows, each once an epoch."""

from __future__ import annotations

from lingshu_train.data.order.mixture import Ingredient, Mixture


class PlainOrder:
    def __init__(self, size: int, *, seed: int = 0) -> None:
        self._mixture = Mixture((Ingredient(rows=size, draws=size),), seed)

    def row(self, n: int) -> int:
        return self._mixture.locate(n)[1]

    def rows(self, start: int, stop: int) -> list[int]:
        return [self.row(n) for n in range(start, stop)]
