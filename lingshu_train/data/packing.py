"""Which rows share a sequence: first-fit decreasing inside windows of the shuffled order, under two budgets.

A plan is a pure function of the lengths in epoch order: neither ranks nor workers enter it. First-fit decreasing is
done a pack at a time: the longest row that is left, then again and again the longest that still fits.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.integer[Any]]


@dataclass(frozen=True, slots=True)
class Packs:
    """Pack k holds the positions `order[offsets[k]:offsets[k + 1]]` of the epoch, in the order they have there.

    Every position is in one pack. Both arrays are int64; `tokens` is the capacity of a pack.
    """

    order: NDArray[np.int64]
    offsets: NDArray[np.int64]
    tokens: int

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, pack: int) -> NDArray[np.int64]:
        """Positions of a pack, counted from 0."""
        return self.order[self.offsets[pack] : self.offsets[pack + 1]]

    def sums(self, values: Ints) -> NDArray[np.int64]:
        """For each pack the sum of what its positions have: tokens from lengths, patches from patches."""
        return np.add.reduceat(values[self.order], self.offsets[:-1], dtype=np.int64)

    def fill(self, lengths: Ints) -> float:
        """Used part of the capacity of all packs."""
        return float(lengths.sum(dtype=np.int64) / (len(self) * self.tokens))


def plan(
    lengths: Ints,
    patches: Ints | None = None,
    *,
    tokens: int,
    most_patches: int | None = None,
    window: int = 10_000,
) -> Packs:
    """Packs of at most `tokens` tokens and `most_patches` vision patches, from rows of the same `window` of the epoch.

    `lengths` and `patches` are those of the rows in epoch order, (n,). That order is a keyed shuffle, and the packs of a
    window are put in the order in which their longest rows stood in it: no curriculum from long to short. Memory
    beside the plan does not grow with n. A row over a budget is the caller's mistake.

    A patch budget of 1.35 times the mean costs no fill; near the mean it costs fill and planning time.
    """
    if not len(lengths):
        return Packs(np.empty(0, np.int64), np.zeros(1, np.int64), tokens)
    assert lengths.min() > 0 and lengths.max() <= tokens, (
        "rows of more tokens than a pack were to be counted before"
    )
    budgeted = patches if most_patches is not None else None
    room = most_patches or 0
    assert budgeted is None or budgeted.max() <= room, (
        "rows of more patches than a pack were to be counted before"
    )
    order = np.empty(len(lengths), np.int64)
    sizes: list[NDArray[np.int64]] = []
    for start in range(0, len(lengths), window):
        part = slice(start, start + window)
        some = None if budgeted is None else budgeted[part]
        order[part], counts = _laid_out(*_packed(lengths[part], some, tokens=tokens, room=room))
        order[part] += start
        sizes.append(counts)
    return Packs(order, np.cumsum(np.concatenate([np.zeros(1, np.int64), *sizes])), tokens)


def deal(costs: NDArray[Any], *, ranks: int, per_batch: int) -> NDArray[np.int64]:
    """Order of packs that gives the ranks similar work: packs of similar cost meet in a step, totals are evened out.

    `costs` (n,) are those of consecutive packs in any unit, `per_batch` of them a global batch. Pack `deal(...)[i]` goes
    to place i; in a batch, place `step * ranks + rank`. No pack leaves its global batch, so that the gradient is the
    same on any number of ranks but for the order of summation.
    """
    assert len(costs) % per_batch == 0 and per_batch % ranks == 0, (
        "global batches are whole, and shared evenly"
    )
    batches = costs.reshape(-1, per_batch)
    falling = np.argsort(-batches, axis=1, kind="stable").reshape(len(batches), -1, ranks)
    totals = np.zeros((len(batches), ranks), costs.dtype)
    dealt = np.empty_like(falling)
    for step in range(falling.shape[1]):
        # The heaviest pack of a step goes to the rank that has had least so far.
        lightest = np.argsort(totals, axis=1, kind="stable")
        np.put_along_axis(dealt[:, step], lightest, falling[:, step], axis=1)
        totals += np.take_along_axis(batches, dealt[:, step], axis=1)
    return (dealt.reshape(len(batches), per_batch) + np.arange(0, len(costs), per_batch)[:, None]).reshape(-1)


def _packed(lengths: Ints, patches: Ints | None, *, tokens: int, room: int) -> tuple[list[int], list[int]]:
    """Positions grouped by pack, each pack's longest first, and where each pack starts.

    A row is one integer: length, patches and position in its bits from the highest down. So one sorted list serves both
    budgets, and taking a row out is one deletion.
    """
    place_bits, patch_bits = len(lengths).bit_length(), room.bit_length()
    assert tokens.bit_length() + place_bits + patch_bits <= 63, (
        "length, patches and position fit a 64-bit number"
    )
    shift = patch_bits + place_bits
    keys = lengths.astype(np.int64) << shift | np.arange(len(lengths))
    if patches is not None:
        keys |= patches.astype(np.int64) << place_bits
    left: list[int] = np.sort(keys).tolist()
    places, patch_mask = (1 << place_bits) - 1, (1 << patch_bits) - 1
    grouped: list[int] = []
    starts: list[int] = []
    while left:
        starts.append(len(grouped))
        free, budget, candidate = tokens, room, len(left)
        while True:
            # Below the last row taken: what was passed over for its patches does not fit later either.
            candidate = bisect_left(left, (free + 1) << shift, 0, candidate) - 1
            while candidate >= 0 and (left[candidate] >> place_bits & patch_mask) > budget:
                candidate -= 1
            if candidate < 0:
                break
            row = left.pop(candidate)
            free -= row >> shift
            budget -= row >> place_bits & patch_mask
            grouped.append(row & places)
    return grouped, starts


def _laid_out(grouped: list[int], starts: list[int]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Positions by pack, in epoch order inside each, packs in the epoch order of their longest rows; rows of each."""
    positions, first = np.array(grouped), np.array(starts)
    sizes = np.diff(first, append=len(positions))
    by_lead = np.argsort(positions[first])
    rank = np.empty(len(first), np.int64)
    rank[by_lead] = np.arange(len(first))
    owner = np.empty(len(positions), np.int64)
    owner[positions] = np.repeat(rank, sizes)
    return np.argsort(owner, kind="stable"), sizes[by_lead]
