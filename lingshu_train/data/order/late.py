"""The order of an epoch of which some slots come last: two shuffles, one behind the other, and each can be turned round."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lingshu_train.data.order.permutation import Permutation

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class LateLast:
    """A bijection of range(size): positions before `border` go to the slots that are not `late` (ascending), the others to
    those that are. Memory of the late slots alone; a place is found by bisection among them."""

    size: int
    late: Ints
    key: str
    _before: Ints = field(init=False, repr=False)

    def __post_init__(self) -> None:
        # How many slots that are not late stand before each that is.
        object.__setattr__(self, "_before", self.late - np.arange(len(self.late)))

    @property
    def border(self) -> int:
        """The first position of a late slot."""
        return self.size - len(self.late)

    def many(self, positions: Ints) -> Ints:
        """The slot at each position."""
        slots = np.empty(len(positions), np.int64)
        early = positions < self.border
        if early.any():
            nth = self._early.many(positions[early])
            slots[early] = nth + np.searchsorted(self._before, nth, side="right")
        slots[~early] = self.late[self._late.many(positions[~early] - self.border)]
        return slots

    def sources(self, slots: Ints) -> Ints:
        """The position of each slot: the inverse of `many`."""
        positions = np.empty(len(slots), np.int64)
        nth = np.searchsorted(self.late, slots)
        late = self.late[np.minimum(nth, len(self.late) - 1)] == slots
        if not late.all():
            positions[~late] = self._early.sources(slots[~late] - nth[~late])
        positions[late] = self._late.sources(nth[late]) + self.border
        return positions

    @property
    def _early(self) -> Permutation:
        return Permutation(self.border, f"{self.key}/early")

    @property
    def _late(self) -> Permutation:
        return Permutation(len(self.late), f"{self.key}/late")
