"""How each kind of training deals the order out to its steps: sample by sample, in packs, or in windows of prompts."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lingshu_train.data.corpus.table import PATCHES, WHOLE
from lingshu_train.data.order import packing
from lingshu_train.runs.stage import Stage
from lingshu_train.stages.grpo.config import Config as Grpo
from lingshu_train.stages.sft.config import Config as Sft
from lingshu_train.tracing.order import Draws, Ints, Order
from lingshu_train.training.config import TrainingConfig

PACKS = "packs"
"""Below the stage's folder: stored plans of packs, made again here where they are gone."""


def order_of(
    stage: Stage, config: TrainingConfig, *, lengths: str, steps: int, late: str = ""
) -> Order | None:
    """The order of a stage, None where its kind is none whose order is known here."""
    if isinstance(config, Sft):
        kind = Packs if config.packs else Plain
        return kind(stage, config, lengths=lengths, late=late, steps=steps)
    if isinstance(config, Grpo):
        return Windows(stage, config, lengths=lengths, late=late, steps=steps)
    return None


class Plain(Order):
    """Supervised, a sequence a sample: step n has the n-th so many samples."""

    def __init__(self, stage: Stage, config: Sft, *, lengths: str, late: str, steps: int) -> None:
        super().__init__(stage, config.data, config.limit, lengths=lengths, late=late, steps=steps)
        self.per_step = config.per_device_batch * config.accumulation * stage.named_world

    def draws(self, numbers: Ints) -> Draws:
        which, samples = self.mixture_draws(numbers, until=self.steps * self.per_step)
        step = samples // self.per_step + 1
        return Draws(which, samples // self.mixture.size + 1, step, step)

    def step(self, step: int) -> Ints:
        return self.rows(np.arange((step - 1) * self.per_step, step * self.per_step))


class Windows(Order):
    """GRPO: a window's prompts are answered at once, and their completions are spread over the window's steps."""

    def __init__(self, stage: Stage, config: Grpo, *, lengths: str, late: str, steps: int) -> None:
        super().__init__(
            stage,
            config.data,
            config.limit,
            lengths=lengths,
            late=late,
            steps=steps,
            selected=config.selection is not None,
            pairs=bool(config.pairs),
        )
        self.window, self.prompts = config.window, config.window_prompts

    def draws(self, numbers: Ints) -> Draws:
        windows = -(-self.steps // self.window)
        which, samples = self.mixture_draws(numbers, until=windows * self.prompts)
        before = samples // self.prompts * self.window
        last = np.minimum(before + self.window, self.steps)
        return Draws(which, samples // self.mixture.size + 1, before + 1, last)

    def step(self, step: int) -> Ints:
        first = (step - 1) // self.window * self.prompts
        return self.rows(np.arange(first, first + self.prompts))


class Packs(Order):
    """Supervised in packs: a step has so many packs, planned epoch by epoch from the order and the lengths."""

    def __init__(self, stage: Stage, config: Sft, *, lengths: str, late: str, steps: int) -> None:
        super().__init__(stage, config.data, config.limit, lengths=lengths, late=late, steps=steps)
        self._tokens, self._patches = config.max_length, config.max_patches
        self.per_step = config.per_device_batch * config.accumulation * stage.named_world
        self._plans: list[tuple[npt.NDArray[np.integer], npt.NDArray[np.integer]]] = []
        self._first = [0]
        while self._first[-1] < steps * self.per_step:
            self._plans.append(self._plan(len(self._plans)))
            self._first.append(self._first[-1] + len(self._plans[-1][1]) - 1)

    def draws(self, numbers: Ints) -> Draws:
        wanted = np.zeros(self._starts[-1], bool)
        wanted[numbers] = True
        parts = [np.empty((3, 0), np.int64)]
        for epoch, (rows, offsets) in enumerate(self._plans):
            places = np.flatnonzero(wanted[rows])
            packs = np.searchsorted(offsets, places, side="right") - 1 + self._first[epoch]
            which = np.searchsorted(numbers, rows[places])
            found = np.stack([which, np.full(len(which), epoch + 1), packs // self.per_step + 1])
            parts.append(found[:, packs < self.steps * self.per_step])
        which, epochs, step = np.concatenate(parts, axis=1)
        return Draws(which, epochs, step, step)

    def step(self, step: int) -> Ints:
        return np.concatenate(
            [self._pack(n) for n in range((step - 1) * self.per_step, step * self.per_step)]
        )

    def _pack(self, n: int) -> Ints:
        epoch = int(np.searchsorted(self._first, n, side="right")) - 1
        rows, offsets = self._plans[epoch]
        first, end = offsets[n - self._first[epoch] : n - self._first[epoch] + 2]
        return np.asarray(rows[first:end], np.int64)

    def _plan(self, epoch: int) -> tuple[npt.NDArray[np.integer], npt.NDArray[np.integer]]:
        """Rows in packed order and where each pack starts: the plan that is stored, or made again as training makes it."""
        folder = self.stage.path / PACKS
        try:
            rows = np.load(folder / f"order-{epoch}.npy", mmap_mode="r")
            offsets = np.load(folder / f"offsets-{epoch}.npy", mmap_mode="r")
            whole = len(rows) == self.mixture.size and offsets[0] == 0 and offsets[-1] == len(rows)
            if whole and bool((np.diff(offsets) > 0).all()) and int(rows.max()) < self._starts[-1]:
                return rows, offsets
        except (OSError, ValueError, EOFError):
            # A cache: what it would say is computed below.
            pass
        found = self.rows(np.arange(epoch * self.mixture.size, (epoch + 1) * self.mixture.size))
        tokens, patches = self._costs(found)
        border = self.mixture.border if epoch == 0 else None
        packs = packing.plan(tokens, patches, tokens=self._tokens, most_patches=self._patches, border=border)
        return found[packs.order], packs.offsets

    def _costs(self, numbers: Ints) -> tuple[Ints, Ints]:
        costs = np.empty((2, len(numbers)), np.int64)
        owners = np.searchsorted(self._starts, numbers, side="right") - 1
        for part, here in enumerate(self.parts):
            assert here.table is not None
            own = np.flatnonzero(owners == part)
            places = numbers[own] - self._starts[part]
            rows = places if here.fit is None else here.fit[places]
            costs[:, own] = here.table[rows][:, [WHOLE, PATCHES]].T
        return costs[0], costs[1]
