"""The rows of a mixture in packs that fill `max_length`: what the loader yields is a pack, planned before training."""

from __future__ import annotations

import math
from bisect import bisect_right
from functools import lru_cache
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt
from datasets import Dataset

from lingshu_train import dist, naming
from lingshu_train.data.order import packing
from lingshu_train.errors import OutputFailed
from lingshu_train.runs.arrays import save_array, sealed
from lingshu_train.runs.files import failure
from lingshu_train.training.feed import Columns, Numbers, Rows, numbered

_TOKEN, _PATCH = 15.2, 1.35
"""Work in 10^9 operations of a 7B model: forward and backward of a token, and of a patch of the vision tower."""
_PLAN = ("order", "offsets", "work", "fill")
FOLDER = "packs"
"""Below the stage's folder: for each epoch the rows in packed order, and where each pack starts. Made again if lost."""


class Packed:
    """`Rows` whose items are packs; the packs of an epoch are a function of the seed, the mixture and the lengths alone."""

    def __init__(self, rows: Rows, folder: Path, *, tokens: int, patches: int | None, per_step: int) -> None:
        """Packs of at most `tokens` tokens and `patches` patches, `per_step` of them an optimizer step over all ranks."""
        self._rows, self._tokens, self._patches, self._per_step = rows, tokens, patches, per_step
        self._folder = folder / FOLDER
        self._order: list[npt.NDArray[np.uint32]] = []
        self._offsets: list[Numbers] = []
        self._work: list[npt.NDArray[np.float32]] = []
        self._starts = [0]
        self._dealt = lru_cache(maxsize=2)(self._deal)
        self.fill: list[float] = []
        """Used share of the packs' tokens, by epoch."""
        self._open()

    def __len__(self) -> int:
        """Packs of the first epoch."""
        return self._starts[1]

    def items(self, epochs: float) -> int:
        """How many packs the loader yields in so many epochs."""
        whole = int(epochs)
        rest = epochs - whole
        while len(self._offsets) < math.ceil(epochs):
            self._open()
        packs = self._starts[whole + 1] - self._starts[whole] if rest else 0
        return self._starts[whole] + math.ceil(rest * packs)

    def cover(self, items: int) -> None:
        """Plan further epochs until there are so many packs. Every rank has to take part."""
        while self._starts[-1] < items:
            self._open()

    def epoch(self, n: int) -> float:
        """Epochs done after `n` packs."""
        epoch = min(bisect_right(self._starts, n) - 1, len(self._offsets) - 1)
        first, end = self._starts[epoch : epoch + 2]
        return epoch + (n - first) / (end - first)

    def row(self, n: int) -> int:
        """The pack that the loader yields n-th. A step has the packs of its place in the plan, on any number of ranks; they
        are dealt so that ranks get similar work."""
        step, place = divmod(n, self._per_step)
        return step * self._per_step + int(self._dealt(step)[place])

    def rows(self, start: int, stop: int) -> Numbers:
        """The rows of packs `start` to `stop`, in order."""
        return np.concatenate([self._pack(n) for n in range(start, stop)])

    def dataset(self, *, system: str, whole: bool) -> Dataset:
        """What TRL reads: the columns of `Rows`, each a list over the rows of the pack."""

        def read(batch: dict[str, list[int]]) -> Columns:
            packs = [
                self._rows.columns(self._pack(n).tolist(), system=system, whole=whole) for n in batch["row"]
            ]
            return {name: [pack[name] for pack in packs] for name in packs[0]}

        return numbered(self._folder, self._starts[-1]).with_transform(read)

    def _deal(self, step: int) -> Numbers:
        packs = [self._place(n) for n in range(step * self._per_step, (step + 1) * self._per_step)]
        work = np.array([self._work[epoch][pack] for epoch, pack in packs])
        return packing.deal(work, ranks=dist.place().world_size, per_batch=self._per_step)

    def _place(self, n: int) -> tuple[int, int]:
        """Epoch and number in it of the n-th pack."""
        epoch = bisect_right(self._starts, n) - 1
        return epoch, n - self._starts[epoch]

    def _pack(self, n: int) -> Numbers:
        epoch, pack = self._place(n)
        first, end = self._offsets[epoch][pack : pack + 2]
        return self._order[epoch][first:end].astype(np.int64)

    def _open(self) -> None:
        """The next epoch's plan, made by the first rank where there is none, or what is kept of it is damaged."""
        epoch = len(self._offsets)
        if dist.place().first and self._kept(epoch) is None:
            self._plan(epoch)
        dist.barrier()
        order, offsets, work, fill = self._kept(epoch) or _lost(self._folder)
        self._order.append(order)
        self._offsets.append(offsets)
        self._work.append(work)
        self.fill.append(float(fill[0]))
        self._starts.append(self._starts[-1] + len(self._offsets[-1]) - 1)

    def _kept(self, epoch: int) -> list[npt.NDArray[Any]] | None:
        """The four arrays of an epoch's plan; None where one of them is not as it was made."""
        found = [sealed(self._folder / f"{name}-{epoch}.npy", self._key(epoch)) for name in _PLAN]
        return None if any(one is None for one in found) else [one for one in found if one is not None]

    def _key(self, epoch: int) -> str:
        """The seed, the rows and their lengths are those of the stage, in whose folder the plan lies."""
        return naming.digest([epoch, len(self._rows), self._tokens, self._patches])

    def _plan(self, epoch: int) -> None:
        size = len(self._rows)
        rows = self._rows.rows(epoch * size, (epoch + 1) * size)
        tokens, patches = self._rows.costs(rows)
        packs = packing.plan(
            tokens,
            patches,
            tokens=self._tokens,
            most_patches=self._patches,
            border=self._rows.mixture.border if epoch == 0 else None,
        )
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as fault:
            raise failure(self._folder, fault) from None
        work = _TOKEN * packs.sums(tokens) + _PATCH * packs.sums(patches)
        made: tuple[npt.NDArray[Any], ...] = (
            rows[packs.order].astype(np.uint32),
            packs.offsets,
            work.astype(np.float32),
            np.array([packs.fill(tokens)]),
        )
        for name, values in zip(_PLAN, made, strict=True):
            save_array(self._folder / f"{name}-{epoch}.npy", values, key=self._key(epoch))


def _lost(folder: Path) -> NoReturn:
    raise OutputFailed(
        f"{folder}: what was written there is not what is read back; run the same command again"
    )
