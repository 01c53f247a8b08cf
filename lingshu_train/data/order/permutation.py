"""A shuffle as a function: where a position goes depends on a key alone, and any one place is found without the others.

Order is arithmetic, not state: an epoch is shuffled without a generator that would have to be saved, so resuming costs
O(1), and neither the number of ranks nor of loader workers changes which samples make up a global batch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

SHUFFLED = 4096
"""Up to so many positions are shuffled outright; more go through the network, which needs no memory.

On few positions the network is not uniform: of 5 it sends one to a place 32 % too often, of 64 and 1,024 the distance of
neighbours is off by 7 % and 2 % (root mean square), of 4,096 by 1 % (benchmarks/results/permutation.json). A shuffle of
4,096 takes 0.1 ms and 8 kB; beyond, sorting costs several times what the network does.
"""
_ROUNDS = 4
_FINALISER = (
    (np.uint64(30), np.uint64(0xBF58476D1CE4E5B9)),
    (np.uint64(27), np.uint64(0x94D049BB133111EB)),
)
_BLOCK = 1 << 16  # positions permuted at a time: the working arrays of a block stay in cache
_TOGETHER = 1 << 18  # places of shuffles made at a time, to bound the memory: a few MiB


@dataclass(frozen=True, slots=True)
class Permutation:
    """A bijection of range(size), keyed by `key`.

    Up to `SHUFFLED` positions: sorted by a hash of each (uniform). Above: a balanced Feistel network with cycle walking
    (Black and Rogaway 2002).
    """

    size: int
    key: str

    def __call__(self, position: int) -> int:
        """Where `position` goes. O(1) time, after a first call of O(size) up to `SHUFFLED`."""
        if not 0 <= position < self.size:
            raise IndexError(f"position {position} is outside range({self.size})")
        if self.size <= SHUFFLED:
            return int(_shuffle(self.size, self.key)[position])
        return _walked(position, self.size, self.key)

    def many(self, positions: Ints) -> Ints:
        """Where each of `positions` goes: equal to calling it on each. Memory beside the result does not grow."""
        return permute(positions, size=self.size, keys=[self.key])

    def sources(self, places: Ints) -> Ints:
        """Which position goes to each of `places`: the inverse of `many`, at the same cost."""
        if len(places) and not (places.min() >= 0 and places.max() < self.size):
            raise IndexError(f"a place is outside range({self.size})")
        if self.size > SHUFFLED:
            return _through_network(places, size=self.size, keys=[self.key], which=None, back=True)
        found: Ints = np.argsort(_shuffle(self.size, self.key), kind="stable")[places]
        return found


def permute(positions: Ints, *, size: int, keys: Sequence[str], which: Ints | None = None) -> Ints:
    """Where each position goes under `Permutation(size, keys[which])`; `which` has a number for each, or all are 0."""
    if len(positions) and not (positions.min() >= 0 and positions.max() < size):
        raise IndexError(f"a position is outside range({size})")
    if size > SHUFFLED:
        return _through_network(positions, size=size, keys=keys, which=which)
    if which is None:
        places: Ints = _shuffles(size, keys[:1])[0, positions]
        return places
    return _looked_up(positions, size=size, keys=keys, which=which)


@lru_cache(maxsize=256)  # the epoch, and the running pass of each small ingredient: at most 2 MiB
def _shuffle(size: int, key: str) -> NDArray[np.uint16]:
    places: NDArray[np.uint16] = _shuffles(size, [key])[0].astype(np.uint16)
    return places


def _shuffles(size: int, keys: Sequence[str]) -> Ints:
    """A shuffle for each key, (keys, size): positions sorted by 64 bits each, of one stream of SHAKE-128.

    A sort, because numpy promises that its result never changes, and no generator's shuffle does. Two equal numbers among
    4,096 have a chance of 1 in 10^12, and then stay in their order.
    """
    stream = b"".join(hashlib.shake_128(key.encode()).digest(8 * size) for key in keys)
    return np.argsort(np.frombuffer(stream, "<u8").reshape(len(keys), size), axis=1, kind="stable")


def _looked_up(positions: Ints, *, size: int, keys: Sequence[str], which: Ints) -> Ints:
    """Places in shuffles made a few keys at a time."""
    places = np.empty(len(positions), np.int64)
    order = np.argsort(which, kind="stable")
    firsts = range(0, len(keys), max(1, _TOGETHER // size))
    borders = np.searchsorted(which[order], [*firsts, len(keys)])
    for first, (start, stop) in zip(firsts, pairwise(borders), strict=True):
        if start < stop:
            chosen = order[start:stop]
            shuffles = _shuffles(size, keys[first : first + firsts.step])
            places[chosen] = shuffles[which[chosen] - first, positions[chosen]]
    return places


def _walked(position: int, size: int, key: str) -> int:
    """One position through the network, again while it comes out beyond `size`: at most four times on average."""
    half = _half(size)
    mask = (1 << half) - 1
    keys = _round_keys(key)
    value = position
    while True:
        left, right = value >> half, value & mask
        for round_key in keys:
            left, right = right, left ^ (_mix(right, round_key) & mask)
        value = left << half | right
        if value < size:
            return value


def _through_network(
    positions: Ints, *, size: int, keys: Sequence[str], which: Ints | None, back: bool = False
) -> Ints:
    """`_walked` of each position; `back`: of each place the position that walks to it."""
    table = np.array([_round_keys(key) for key in keys], np.uint64).T
    # A Feistel network is undone by itself, with its halves swapped and its keys in reverse.
    table = table[::-1] if back else table
    places = np.empty(len(positions), np.int64)
    for start in range(0, len(positions), _BLOCK):
        block = positions[start : start + _BLOCK].astype(np.uint64)
        rounds = table[:, :1] if which is None else table[:, which[start : start + _BLOCK]]
        _network(block, half=_half(size), keys=rounds, swapped=back)
        walking = np.flatnonzero(block >= size)
        while len(walking):
            values = block[walking]
            some = rounds if which is None else rounds[:, walking]
            _network(values, half=_half(size), keys=some, swapped=back)
            block[walking] = values
            walking = walking[values >= size]
        places[start : start + _BLOCK] = block
    return places


def _half(size: int) -> int:
    """Bits of each half of the network: two halves hold every position."""
    return max(1, ((size - 1).bit_length() + 1) // 2)


def _round_keys(key: str) -> tuple[int, ...]:
    raw = hashlib.blake2b(key.encode(), digest_size=8 * _ROUNDS).digest()
    return tuple(int.from_bytes(raw[8 * i : 8 * i + 8], "little") for i in range(_ROUNDS))


def _network(
    values: NDArray[np.uint64], *, half: int, keys: NDArray[np.uint64], swapped: bool = False
) -> None:
    """All rounds on an array, in place. Unsigned 64-bit arithmetic wraps, as the scalar `_mix` masks. `swapped`: on the halves
    in the other order, before and after."""
    mask = np.uint64((1 << half) - 1)
    left, right = values >> np.uint64(half), values & mask
    if swapped:
        left, right = right, left
    mixed, shifted = np.empty_like(values), np.empty_like(values)
    for key in keys:
        np.add(right, key, out=mixed)
        for shift, factor in _FINALISER:
            np.right_shift(mixed, shift, out=shifted)
            np.bitwise_xor(mixed, shifted, out=mixed)
            np.multiply(mixed, factor, out=mixed)
        np.right_shift(mixed, np.uint64(31), out=shifted)
        np.bitwise_xor(mixed, shifted, out=mixed)
        np.bitwise_and(mixed, mask, out=mixed)
        np.bitwise_xor(left, mixed, out=left)
        left, right = right, left
    if swapped:
        left, right = right, left
    np.left_shift(left, np.uint64(half), out=left)
    np.bitwise_or(left, right, out=values)


def _mix(value: int, key: int) -> int:
    """A 64-bit finaliser (splitmix64): every input bit reaches every output bit."""
    mixed = (value + key) & 0xFFFFFFFFFFFFFFFF
    mixed = (mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9 & 0xFFFFFFFFFFFFFFFF
    mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EB & 0xFFFFFFFFFFFFFFFF
    return mixed ^ mixed >> 31
