"""Order is arithmetic, not state: the n-th sample of a training run is a pure function of (seed, n).

A keyed permutation shuffles each epoch without storing it, so resuming costs O(1) and neither the number of ranks nor
of loader workers changes which samples make up a global batch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_ROUNDS = 4
_FINALISER = (
    (np.uint64(30), np.uint64(0xBF58476D1CE4E5B9)),
    (np.uint64(27), np.uint64(0x94D049BB133111EB)),
)
_BLOCK = 1 << 16  # positions permuted at a time: the working arrays of a block stay in cache


@dataclass(frozen=True, slots=True)
class Permutation:
    """A bijection of range(size), keyed by `key`: a balanced Feistel network with cycle walking (Black and Rogaway 2002)."""

    size: int
    key: str

    def __call__(self, position: int) -> int:
        """Where `position` goes. O(1) time and memory; at most four walks on average."""
        if not 0 <= position < self.size:
            raise IndexError(f"position {position} is outside range({self.size})")
        half = _half(self.size)
        mask = (1 << half) - 1
        keys = _round_keys(self.key)
        value = position
        while True:
            left, right = value >> half, value & mask
            for key in keys:
                left, right = right, left ^ (_mix(right, key) & mask)
            value = left << half | right
            if value < self.size:
                return value

    def many(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """Where each of `positions` goes: equal to calling it on each. Memory beside the result does not grow."""
        return permute(positions, size=self.size, keys=[self.key])


def permute(
    positions: NDArray[np.int64],
    *,
    size: int,
    keys: Sequence[str],
    which: NDArray[np.integer[Any]] | None = None,
) -> NDArray[np.int64]:
    """Where each position goes under `Permutation(size, keys[which])`; `which` has a number for each, or all are 0."""
    if len(positions) and not (positions.min() >= 0 and positions.max() < size):
        raise IndexError(f"a position is outside range({size})")
    table = np.array([_round_keys(key) for key in keys], np.uint64).T
    places = np.empty(len(positions), np.int64)
    for start in range(0, len(positions), _BLOCK):
        block = positions[start : start + _BLOCK].astype(np.uint64)
        rounds = table[:, :1] if which is None else table[:, which[start : start + _BLOCK]]
        _network(block, half=_half(size), keys=rounds)
        walking = np.flatnonzero(block >= size)
        while len(walking):
            values = block[walking]
            _network(values, half=_half(size), keys=rounds if which is None else rounds[:, walking])
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


def _network(values: NDArray[np.uint64], *, half: int, keys: NDArray[np.uint64]) -> None:
    """All rounds on an array, in place. Unsigned 64-bit arithmetic wraps, as the scalar `_mix` masks."""
    mask = np.uint64((1 << half) - 1)
    left, right = values >> np.uint64(half), values & mask
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
    np.left_shift(left, np.uint64(half), out=left)
    np.bitwise_or(left, right, out=values)


def _mix(value: int, key: int) -> int:
    """A 64-bit finaliser (splitmix64): every input bit reaches every output bit."""
    mixed = (value + key) & 0xFFFFFFFFFFFFFFFF
    mixed = (mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9 & 0xFFFFFFFFFFFFFFFF
    mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EB & 0xFFFFFFFFFFFFFFFF
    return mixed ^ mixed >> 31
