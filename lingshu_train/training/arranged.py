"""Which sample of a step goes into which of its batches: alike lengths together, or alike sums. A step keeps its samples."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from datasets import Dataset

from lingshu_train import dist
from lingshu_train.data.order import batching
from lingshu_train.training.feed import Numbers, Rows


class Arranged:
    """`Rows` whose samples are dealt to the batches of their step by length.

    In rows that are filled up (`together` false) each batch has samples of about one length, so that little is filling. End
    to end (`together`) there is no filling, and each batch has about as many tokens as the next, so that no rank waits for
    another and none needs more memory. A withdrawn sample counts as of no length, since nothing of it may have an effect.
    """

    def __init__(self, rows: Rows, *, per_batch: int, per_step: int, together: bool) -> None:
        """Steps of `per_step` samples over all ranks, in batches of `per_batch`."""
        self._rows, self._per_batch, self._per_step, self._together = rows, per_batch, per_step, together
        self._dealt = lru_cache(maxsize=2)(self._deal)

    def __len__(self) -> int:
        """Samples of one epoch."""
        return len(self._rows)

    def items(self, epochs: float) -> int:
        """How many samples the loader yields in so many epochs."""
        return self._rows.items(epochs)

    def cover(self, items: int) -> None:
        """Any number can be asked for."""

    def epoch(self, n: int) -> float:
        """Epochs done after `n` samples."""
        return self._rows.epoch(n)

    def row(self, n: int) -> int:
        """The row that the loader yields n-th."""
        step, place = divmod(n, self._per_step)
        return int(self._dealt(step)[place])

    def rows(self, start: int, stop: int) -> Numbers:
        """The rows of samples `start` to `stop` in the order of the mixture, whatever batch they are in."""
        return self._rows.rows(start, stop)

    def dataset(self, *, system: str, whole: bool) -> Dataset:
        """What TRL reads: that of the rows."""
        return self._rows.dataset(system=system, whole=whole)

    def _deal(self, step: int) -> Numbers:
        rows = self._rows.rows(step * self._per_step, (step + 1) * self._per_step)
        if self._per_batch == self._per_step:
            return rows
        tokens, _ = self._rows.costs(rows)
        tokens = np.where(self._rows.gone(rows), 0, tokens)
        deal = batching.even if self._together else batching.alike
        return rows[deal(tokens, per_batch=self._per_batch, ranks=dist.place().world_size)]
