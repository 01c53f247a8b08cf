"""Counterfactual pairs kept together: the order of pairs in place of that of rows, so that both halves are asked in one window.

A unit is two rows that follow one another: the halves of a pair, or two rows that are of none, in the order of the corpus. Of
such rows an odd last one is left out. What is shuffled, repeated and shared out are units; where a window holds an even number
of prompts, no unit lies in two.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lingshu_train.data.order.mixture import Ingredient, Ints, Mixture

Units = NDArray[np.int64]
"""(units, 2): the rows of each, those of a pair ascending."""


class Incomplete(ValueError):
    """A pair has not exactly two rows: its name, and how many it has."""

    def __init__(self, name: str, rows: int) -> None:
        super().__init__(name, rows)
        self.name, self.rows = name, rows


def units(names: Sequence[str]) -> Units:
    """Of rows that are halves of the pairs `names`, empty for those of none. Incomplete: a pair is not whole."""
    halves: dict[str, list[int]] = {}
    lone: list[int] = []
    for row, name in enumerate(names):
        (halves.setdefault(name, []) if name else lone).append(row)
    for name, rows in halves.items():
        if len(rows) != 2:
            raise Incomplete(name, len(rows))
    alone = zip(lone[::2], lone[1::2], strict=False)
    found = sorted([*map(tuple, halves.values()), *alone])
    return np.array(found, np.int64).reshape(-1, 2)


@dataclass(frozen=True, slots=True)
class Paired:
    """A mixture of units as one of rows: the same questions, and the same answers for rows."""

    mixture: Mixture
    units: tuple[Units, ...]

    @property
    def ingredients(self) -> tuple[Ingredient, ...]:
        """In rows, those that no unit has left out."""
        return tuple(Ingredient(rows=2 * one.rows, draws=2 * one.draws) for one in self.mixture.ingredients)

    @property
    def size(self) -> int:
        """Samples of one epoch."""
        return 2 * self.mixture.size

    @property
    def border(self) -> int:
        """As Mixture's; nothing comes late here."""
        return self.size

    def locate(self, n: int) -> tuple[int, int]:
        """Ingredient and row of the n-th sample since the start of training."""
        number, unit = self.mixture.locate(n // 2)
        return number, int(self.units[number][unit, n % 2])

    def locate_many(self, numbers: Ints) -> tuple[Ints, Ints]:
        """Ingredients and rows of the samples `numbers`: equal to `locate` of each."""
        found, places = self.mixture.locate_many(numbers // 2)
        rows = np.empty(len(numbers), np.int64)
        for number, own in enumerate(self.units):
            here = found == number
            rows[here] = own[places[here], numbers[here] % 2]
        return found, rows

    def draws_of(self, number: int, rows: Ints, *, epoch: int) -> tuple[Ints, Ints]:
        """When distinct rows of ingredient `number` come in an epoch: places in `rows`, and samples since the start."""
        flat = self.units[number].reshape(-1)
        places = np.full(int(max(flat.max(initial=-1), rows.max(initial=-1))) + 1, -1, np.int64)
        places[flat] = np.arange(len(flat))
        taken = np.flatnonzero(places[rows] >= 0)
        slots = places[rows[taken]]
        distinct, which_unit = np.unique(slots // 2, return_inverse=True)
        which, samples = self.mixture.draws_of(number, distinct, epoch=epoch)
        chosen, drawn = np.nonzero(which_unit[:, None] == which[None, :])
        return taken[chosen], 2 * samples[drawn] + slots[chosen] % 2
