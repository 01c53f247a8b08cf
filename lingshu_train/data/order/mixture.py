"""Which row of which ingredient is the n-th sample: a pure function of (seed, n), so that weights never drift.

An epoch has a fixed number of draws of each ingredient, permuted by one keyed permutation: whole passes over its rows,
and the rest of the draws from a round, a pass in keyed order on which each epoch goes on where the one before stopped.
Rows that are to come late are the last of the first epoch; every other epoch has them anywhere.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import accumulate
from math import floor, gcd

import numpy as np
from numpy.typing import NDArray

from lingshu_train.data.order.late import LateLast
from lingshu_train.data.order.permutation import Permutation, permute
from lingshu_train.errors import RecipeError

Ints = NDArray[np.int64]
_BLOCK = 1 << 19
"""Samples located at a time: half a million keep the arrays beside the result at some 20 MiB, and a block long enough that
the ingredients (70 in the paper) do not count."""


@dataclass(frozen=True, slots=True)
class Ingredient:
    """`rows` that there are, and `draws` of them in one epoch of the mixture; both at least 1."""

    rows: int
    draws: int

    @property
    def whole(self) -> int:
        """Draws of an epoch that are whole passes."""
        return self.draws - self.rest

    @property
    def rest(self) -> int:
        """Draws of an epoch beyond its whole passes, less than `rows`."""
        return self.draws % self.rows

    @property
    def epochs(self) -> int:
        """Epochs of a round: the fewest whose rests are whole passes together."""
        return self.rows // gcd(self.rows, self.rest)


@dataclass(frozen=True, slots=True)
class Mixture:
    """The order in which the rows of several ingredients are visited, epoch after epoch, without end.

    In an epoch no row of an ingredient comes more than once oftener than another, and what an epoch leaves out the next
    takes first: at the end of every epoch, too, no row has come more than once oftener than another since the start.

    Both hold because a round is a circle, on which the rest of an epoch is a stretch of distinct rows wherever it starts. A
    pass that were shuffled anew inside an epoch could begin with rows that the epoch has had. So a round keeps its order
    until it ends with an epoch (for halves of an even number after two), and the next is shuffled anew.

    Where every ingredient has one draw per row, an epoch is a permutation of their rows, one ingredient after another.

    `late`: of each ingredient the rows, ascending, that come after all others in the first epoch; empty: of none.
    """

    ingredients: tuple[Ingredient, ...]
    seed: int
    late: tuple[Ints, ...] = field(default=(), repr=False, compare=False)
    _starts: tuple[int, ...] = field(init=False, repr=False, compare=False)
    _first: LateLast | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        assert self.ingredients, "a mixture needs an ingredient"
        assert all(item.rows > 0 and item.draws > 0 for item in self.ingredients), (
            "rows and draws are positive"
        )
        starts = tuple(accumulate((item.draws for item in self.ingredients), initial=0))
        object.__setattr__(self, "_starts", starts)
        parts = [self._slots_of(number, rows, epoch=0)[1] for number, rows in enumerate(self.late)]
        slots = np.sort(np.concatenate([np.empty(0, np.int64), *parts]))
        first = LateLast(self.size, slots, f"{self.seed}/0") if len(slots) else None
        object.__setattr__(self, "_first", first)

    @property
    def size(self) -> int:
        """Samples of one epoch."""
        return self._starts[-1]

    @property
    def border(self) -> int:
        """The first sample of a late row: those of the first epoch before it are of others. The whole epoch where none is."""
        return self._first.border if self._first else self.size

    def locate(self, n: int) -> tuple[int, int]:
        """Ingredient and row of the n-th sample since the start of training. O(1) time and memory."""
        epoch, position = divmod(n, self.size)
        slot = self._slot(epoch, position)
        number = bisect_right(self._starts, slot) - 1
        item = self.ingredients[number]
        place = slot - self._starts[number]
        if place < item.whole:
            return number, place % item.rows
        turn, nth = divmod(epoch, item.epochs)
        place = (nth * item.rest + place - item.whole) % item.rows
        return number, Permutation(item.rows, f"{self._prefix(number)}{turn}")(place)

    def locate_many(self, numbers: Ints) -> tuple[Ints, Ints]:
        """Ingredients and rows of the samples `numbers`: equal to `locate` of each."""
        found, rows = np.empty(len(numbers), np.int64), np.empty(len(numbers), np.int64)
        for start in range(0, len(numbers), _BLOCK):
            block = slice(start, start + _BLOCK)
            found[block], rows[block] = self._locate_block(numbers[block])
        return found, rows

    def draws_of(self, number: int, rows: Ints, *, epoch: int) -> tuple[Ints, Ints]:
        """When distinct rows of ingredient `number` come in an epoch: `locate_many` turned round.

        Two arrays of one length: places in `rows`, and the number since the start of training at which that row comes. Time
        grows with `rows` alone, above permutations that are shuffled outright.
        """
        which, slots = self._slots_of(number, rows, epoch=epoch)
        first = self._first if epoch == 0 else None
        order = first or Permutation(self.size, f"{self.seed}/{epoch}")
        return which, order.sources(slots) + epoch * self.size

    def _slot(self, epoch: int, position: int) -> int:
        if epoch == 0 and self._first:
            return int(self._first.many(np.array([position]))[0])
        return Permutation(self.size, f"{self.seed}/{epoch}")(position)

    def _slots_of(self, number: int, rows: Ints, *, epoch: int) -> tuple[Ints, Ints]:
        """Places in distinct `rows` of an ingredient, and the slots of an epoch that each has."""
        item = self.ingredients[number]
        every = np.arange(len(rows))
        which = [every] * (item.whole // item.rows)
        places = [rows + turn * item.rows for turn in range(item.whole // item.rows)]
        if item.rest:
            turn, nth = divmod(epoch, item.epochs)
            circle = Permutation(item.rows, f"{self._prefix(number)}{turn}").sources(rows)
            ahead = (circle - nth * item.rest) % item.rows
            which.append(np.flatnonzero(ahead < item.rest))
            places.append(item.whole + ahead[which[-1]])
        return np.concatenate(which), np.concatenate(places) + self._starts[number]

    def _locate_block(self, numbers: Ints) -> tuple[Ints, Ints]:
        epochs, positions = np.divmod(numbers, self.size)
        slots = self._block_slots(epochs, positions)
        found = np.searchsorted(self._starts, slots, side="right") - 1
        for number, chosen in _groups(found):
            places = slots[chosen] - self._starts[number]
            slots[chosen] = self._rows(number, places, epochs[chosen])
        return found, slots

    def _block_slots(self, epochs: Ints, positions: Ints) -> Ints:
        if self._first is None or epochs.min() > 0:
            return _permute(positions, size=self.size, prefix=f"{self.seed}/", numbers=epochs)
        slots, first = np.empty(len(positions), np.int64), epochs == 0
        slots[first] = self._first.many(positions[first])
        if not first.all():
            rest = ~first
            slots[rest] = _permute(
                positions[rest], size=self.size, prefix=f"{self.seed}/", numbers=epochs[rest]
            )
        return slots

    def _rows(self, number: int, places: Ints, epochs: Ints) -> Ints:
        """Rows at the places of one ingredient's draws in epochs."""
        item = self.ingredients[number]
        rows = places % item.rows
        beyond = np.flatnonzero(places >= item.whole)
        if len(beyond):
            turns, nth = np.divmod(epochs[beyond], item.epochs)
            places = (nth * item.rest + places[beyond] - item.whole) % item.rows
            rows[beyond] = _permute(places, size=item.rows, prefix=self._prefix(number), numbers=turns)
        return rows

    def _prefix(self, number: int) -> str:
        return f"{self.seed}/ingredient {number}/pass "


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a recipe says of one ingredient; `name` is the key that errors start with.

    `repeat` passes over its `rows` per epoch (1 where nothing is said), at most `limit` draws; or a `share` of the draws
    of an epoch. With a limit, as with half a pass, each epoch draws rows that the one before did not.
    """

    name: str
    rows: int
    repeat: float | None = None
    share: float | None = None
    limit: int | None = None


def draws_for(wishes: Sequence[Wish]) -> tuple[int, ...]:
    """Draws per epoch of each wish, in exact arithmetic on the numbers as they are written (0.1 is one tenth).

    Ingredients without a share take `rows * repeat` rounded half up, at most `limit`; the epoch is then as long as
    makes them what the shares leave. Where all have shares it is as long as the rows together. Draws by share are
    rounded by largest remainder, so that they add up. RecipeError names the ingredient that cannot be meant so.
    """
    assert wishes, "a mixture needs an ingredient"
    for wish in wishes:
        _check(wish)
    shared = [wish for wish in wishes if wish.share is not None]
    shares = [Fraction(str(wish.share)) for wish in shared]
    own = [_passes(wish) if wish.share is None else 0 for wish in wishes]
    if len(shared) < len(wishes):
        size = floor(sum(own) / (1 - _sum(shares, shared, others=True)) + Fraction(1, 2))
    else:
        _sum(shares, shared, others=False)
        size = sum(wish.rows for wish in wishes)
    parts = iter(_apportion(shares, size - sum(own)))
    draws = tuple(
        number if wish.share is None else next(parts) for wish, number in zip(wishes, own, strict=True)
    )
    for wish, number in zip(wishes, draws, strict=True):
        if not number:
            raise RecipeError(
                f"{wish.name}: comes to no draw in an epoch of {size:,}; give it more, or leave it out"
            )
    return draws


def _check(wish: Wish) -> None:
    if wish.rows < 1:
        raise RecipeError(f"{wish.name}: has no rows; leave it out, or widen its split or filter")
    if wish.share is not None and not (wish.repeat is None and wish.limit is None):
        other = "repeat" if wish.repeat is not None else "limit"
        raise RecipeError(f"{wish.name}: has share and {other}; a share alone says how many draws it gets")
    if wish.share is not None and not 0 < wish.share <= 1:
        raise RecipeError(f"{wish.name}: share {wish.share:g} is not a part of an epoch; above 0, at most 1")
    if wish.repeat is not None and not 0 < wish.repeat < float("inf"):
        raise RecipeError(f"{wish.name}: repeat {wish.repeat:g} is no number of passes; above 0")
    if wish.limit is not None and wish.limit < 1:
        raise RecipeError(f"{wish.name}: limit {wish.limit} leaves no draw; at least 1, or leave it out")


def _sum(shares: Sequence[Fraction], wishes: Sequence[Wish], *, others: bool) -> Fraction:
    """The shares together: 1, or less where `others` have none."""
    total = sum(shares, Fraction(0))
    if total >= 1 if others else total != 1:
        right = "less than 1, as other ingredients have none" if others else "1, as every ingredient has one"
        names = ", ".join(wish.name for wish in wishes)
        raise RecipeError(f"{names}: shares add up to {float(total):g}; right would be {right}")
    return total


def _passes(wish: Wish) -> int:
    """Draws by repeat and limit."""
    repeat = Fraction(str(wish.repeat)) if wish.repeat is not None else Fraction(1)
    draws = floor(wish.rows * repeat + Fraction(1, 2))
    return draws if wish.limit is None else min(draws, wish.limit)


def _apportion(weights: Sequence[Fraction], total: int) -> list[int]:
    """`total` in whole parts by weight: each gets its floor, the largest remainders one more (Hamilton's method)."""
    if not weights:
        return []
    exact = [weight * total / sum(weights) for weight in weights]
    parts = [floor(part) for part in exact]
    by_remainder = sorted(range(len(parts)), key=lambda i: parts[i] - exact[i])
    for i in by_remainder[: total - sum(parts)]:
        parts[i] += 1
    return parts


def _permute(positions: Ints, *, size: int, prefix: str, numbers: Ints) -> Ints:
    """Each position by the permutation whose key ends in its own number."""
    low, high = int(numbers.min()), int(numbers.max())
    distinct: Sequence[int] = range(low, high + 1)
    which: Ints | None = None
    if low < high < low + len(numbers):
        which = numbers - low
    elif low < high:
        values, which = np.unique(numbers, return_inverse=True)
        distinct = values.tolist()
    return permute(positions, size=size, keys=[f"{prefix}{number}" for number in distinct], which=which)


def _groups(keys: Ints) -> Iterator[tuple[int, slice | Ints]]:
    """Each distinct key, with where it stands."""
    low, high = int(keys.min()), int(keys.max())
    if low == high:
        yield low, slice(None)
        return
    # numpy sorts 16-bit numbers by radix, in linear time.
    order = np.argsort((keys - low).astype(np.uint16) if high - low < 1 << 16 else keys, kind="stable")
    for chosen in np.split(order, np.flatnonzero(np.diff(keys[order])) + 1):
        yield int(keys[chosen[0]]), chosen
