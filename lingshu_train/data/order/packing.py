"""Which rows share a sequence: packs filled one by one from a window of the shuffled order, under two budgets.

A plan is a pure function of the lengths in epoch order: neither ranks nor workers enter it. A pack takes the longest row
that still fits, again and again. With a patch budget it takes the image row of most patches that fits while it is behind
in patches, and the longest row of text while it is ahead, so that packs cost alike and hardly one is without an image.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from itertools import pairwise
from math import ceil

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.integer]
"""Stored lengths come as 32 bits, sums as 64."""

WINDOW = 10_000
"""Rows packed together. On the paper's mixture 1,000 leave packs 99.4 % full, 10,000 99.9 %, and 100,000 no fuller ones under
a patch budget, for twice the time; and a window is what a longer epoch leaves unchanged."""
_AHEAD = 1.25
"""How far ahead of the mixture's own ratio of patches to tokens a pack aims. Packs end with text, which fits gaps better than
images do: at 1 the text of a window is used up before its images, and its last packs stay half empty (99.3 % full instead of
99.7). At 2 the images are used up first, and three times as many packs are without one."""


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
    window: int = WINDOW,
    border: int | None = None,
) -> Packs:
    """Packs of at most `tokens` tokens and `most_patches` vision patches, from rows of the same `window` of the epoch.

    `lengths` and `patches` are those of the rows in epoch order, (n,). That order is a keyed shuffle, and the packs of a
    window are put in the order in which their first-taken rows stood in it: no curriculum from long to short. Memory
    beside the plan does not grow with n. A row over a budget is the caller's mistake. No pack and no window has rows on both
    sides of `border`, a place in that order.

    Without a patch budget this is first-fit decreasing. A budget of 1.1 times the mean patches of a full pack, or more,
    leaves packs over 99 % full on the paper's mixture.
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
    middle = len(lengths) if border is None else min(border, len(lengths))
    starts = [*range(0, middle, window), *range(middle, len(lengths), window)]
    for start, stop in pairwise([*starts, len(lengths)]):
        part = slice(start, stop)
        some = None if budgeted is None else budgeted[part]
        order[part], counts = _laid_out(*_packed(lengths[part], some, tokens=tokens, room=room))
        order[part] += start
        sizes.append(counts)
    return Packs(order, np.cumsum(np.concatenate([np.zeros(1, np.int64), *sizes])), tokens)


def deal(costs: NDArray[np.number], *, ranks: int, per_batch: int) -> NDArray[np.int64]:
    """Order of packs that gives the ranks similar work: packs of similar cost meet in a step, totals are evened out.

    `costs` (n,) are those of consecutive packs in any unit, `per_batch` of them a global batch. Pack `deal(...)[i]` goes
    to place i; in a batch, place `step * ranks + rank`. No pack leaves its global batch, so that the gradient is the
    same on any number of ranks but for the order of summation.
    """
    assert len(costs) % per_batch == 0 and per_batch % ranks == 0, (
        "global batches are whole, and shared evenly"
    )
    batches = np.asarray(costs, np.float64).reshape(-1, per_batch)
    # Every step waits for its slowest rank, so what meets in a step should cost alike: neighbours in the order of cost.
    falling = np.argsort(-batches, axis=1, kind="stable").reshape(len(batches), -1, ranks)
    totals = np.zeros((len(batches), ranks))
    dealt = np.empty_like(falling)
    for step in range(falling.shape[1]):
        # The heaviest pack of a step goes to the rank that has had least so far.
        lightest = np.argsort(totals, axis=1, kind="stable")
        np.put_along_axis(dealt[:, step], lightest, falling[:, step], axis=1)
        totals += np.take_along_axis(batches, dealt[:, step], axis=1)
    return (dealt.reshape(len(batches), per_batch) + np.arange(0, len(costs), per_batch)[:, None]).reshape(-1)


def _packed(lengths: Ints, patches: Ints | None, *, tokens: int, room: int) -> tuple[list[int], list[int]]:
    """Positions grouped by pack, and where each pack starts."""
    bits = _Bits(place=len(lengths).bit_length(), length=tokens.bit_length())
    text, images = _sorted(lengths, patches, bits=bits)
    tokens_left = int(lengths.sum())
    patches_left = int(patches.sum()) if patches is not None else 0
    # Patches a token, at most: what the free tokens of a pack can still hold, so that rows of more are not looked through.
    densest = float((patches / lengths).max()) if patches is not None else 0.0
    places, length_mask, shift = (1 << bits.place) - 1, (1 << bits.length) - 1, bits.place + bits.length
    grouped: list[int] = []
    starts: list[int] = []
    while text or images:
        starts.append(len(grouped))
        free, budget = tokens, room
        # The ratio of what is left, not of all: when images run out early, the packs that follow ask for fewer. Twice it,
        # because it is held against the middle of an image, which keeps halves out of the arithmetic.
        aim = 2 * _AHEAD * patches_left / tokens_left if patches_left else 1.0
        t, i = len(text) - 1, len(images) - 1
        while True:
            # Candidates only go down: what did not fit before does not fit later.
            stop = 0
            if i >= 0:
                image = images[i]
                length, needs = image >> bits.place & length_mask, image >> shift
                if needs > budget or length > free:
                    i = _fitting(images, i, free=free, most=min(budget, int(free * densest) + 1), bits=bits)
                    continue
                # Text goes on while the image is not due and still fits. It is due as soon as the pack with it would
                # be behind in patches, by the middle of what the image adds.
                stop = max(length, tokens + length + 1 - ceil((2 * (room - budget) + needs) / aim))
            while t >= 0 and free >= stop:
                row = text[t]
                if row >> bits.place > free:
                    t = bisect_left(text, (free + 1) << bits.place, 0, t) - 1
                    continue
                del text[t]
                t -= 1
                free -= row >> bits.place
                grouped.append(row & places)
            if i < 0:
                break
            if length <= free:
                del images[i]
                i -= 1
                free -= length
                budget -= needs
                grouped.append(image & places)
        tokens_left -= tokens - free
        patches_left -= room - budget
    return grouped, starts


@dataclass(frozen=True, slots=True)
class _Bits:
    """A row as one integer: its place in the lowest bits, above it its length, above that its patches.

    Lists of integers are searched and cut by compiled code; a million rows are packed in a second, one core, plain Python.
    """

    place: int
    length: int


def _sorted(lengths: Ints, patches: Ints | None, *, bits: _Bits) -> tuple[list[int], list[int]]:
    """Rows without an image by length; rows with one by patches, then length. One deletion takes a row out."""
    keys = lengths.astype(np.int64) << bits.place | np.arange(len(lengths))
    if patches is None:
        return np.sort(keys).tolist(), []
    assert int(patches.max()).bit_length() + bits.length + bits.place < 64, "a row fits a 64-bit number"
    seen = patches > 0
    images = keys[seen] | patches[seen].astype(np.int64) << (bits.place + bits.length)
    return np.sort(keys[~seen]).tolist(), np.sort(images).tolist()


def _fitting(images: list[int], below: int, *, free: int, most: int, bits: _Bits) -> int:
    """Of the first `below` rows with an image the last of at most `most` patches and `free` tokens; -1: there is none."""
    shift, length_mask = bits.place + bits.length, (1 << bits.length) - 1
    i = bisect_left(images, (most + 1) << shift, 0, below) - 1
    while i >= 0 and images[i] >> bits.place & length_mask > free:
        # The longest that fits among those of as many patches, or the next of fewer.
        fitting = (images[i] >> shift << shift) | (free + 1) << bits.place
        i = bisect_left(images, fitting, 0, i) - 1
    return i


def _laid_out(grouped: list[int], starts: list[int]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Positions by pack, in epoch order inside each, packs in that of their first-taken rows; rows of each."""
    positions, first = np.array(grouped), np.array(starts)
    sizes = np.diff(first, append=len(positions))
    by_lead = np.argsort(positions[first])
    rank = np.empty(len(first), np.int64)
    rank[by_lead] = np.arange(len(first))
    owner = np.empty(len(positions), np.int64)
    owner[positions] = np.repeat(rank, sizes)
    return np.argsort(owner, kind="stable"), sizes[by_lead]
