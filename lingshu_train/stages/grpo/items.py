"""Which row each item of a generation window is, on every rank: arithmetic over the order of rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from datasets import Dataset as HubDataset
from torch.utils.data import Dataset

UNREAD = -1
"""Row of an item that nobody looks at."""


class Once(Dataset[dict[str, object]]):
    """Rows by number, `UNREAD` without content: their images need not be read, and to use one is an error."""

    def __init__(self, rows: HubDataset) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitems__(self, numbers: list[int]) -> list[dict[str, object]]:
        """A batch of the loader: all of it is read or none."""
        if UNREAD in numbers:
            return [{} for _ in numbers]
        found: list[dict[str, object]] = self._rows.__getitems__(numbers)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Placing:
    """Where a window's prompts stand in the order of rows, and in which order the ranks are given them.

    A window trains on `prompts` prompts, each `group` times in a row, and takes `stride` of the order. Each of `ranks` gets as
    many items as the others, one rank after the other, placed so that the n-th of `updates` has the n-th part of the prompts,
    whatever the number of ranks.
    """

    prompts: int
    group: int
    updates: int = 1
    ranks: int = 1
    stride: int = 0
    """0: no more than it trains on."""

    @property
    def count(self) -> int:
        """Of all ranks."""
        return self.prompts * self.group

    def place(self, window: int, item: int, *, draw: int = 0) -> int:
        """In the order, of an item of all ranks' of a window; of its n-th asking (`draw`)."""
        prompt = item // self.group
        if self.updates > 1:
            here = self.prompts // self.updates // self.ranks
            rank, rest = divmod(prompt, self.updates * here)
            update, number = divmod(rest, here)
            prompt = update * self.ranks * here + rank * here + number
        return window * (self.stride or self.prompts) + draw * self.prompts + prompt

    def of_rank(self, rank: int, window: int, *, draw: int) -> list[int]:
        """Places of one rank's items."""
        each = self.count // self.ranks
        return [self.place(window, item, draw=draw) for item in range(rank * each, (rank + 1) * each)]


def item_to_row(order: Callable[[int], int], items: Placing, *, repeats: int) -> Callable[[int], int]:
    """Row of the i-th item the loader yields.

    It yields a window `repeats` times: TRL asks for a whole window at each of its micro-steps, and looks at the first alone,
    where it generates.
    """

    def row(i: int) -> int:
        window, item = divmod(i, items.count * repeats)
        return order(items.place(window, item)) if item < items.count else UNREAD

    return row
