"""Does a model prefer a place among the options? Tested where each choice was asked with its options in drawn orders.

Who chooses by what an option says chooses every place alike often, since the order was drawn: of a question with k options each
with the chance 1/k, independently in every order. Chosen counts are compared with such draws.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from lingshu_train.metrics._holm import holm

_DRAWS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """How often a place was chosen, how often it would be by content alone, the two-sided p by drawing, and whether it holds
    over all places (Holm, 5 %)."""

    chosen: int
    expected: float
    p: float
    holds: bool


def places(chosen: Mapping[int, Counter[int]], *, seed: int = 0) -> dict[int, Place]:
    """`chosen`: by the number of options of a question, how often each place (from 0) was chosen. Empty: nothing was."""
    most = max((size for size, counted in chosen.items() if counted.total()), default=0)
    if most < 2:
        return {}
    seen, drawn = np.zeros(most, np.int64), np.zeros((_DRAWS, most), np.int64)
    expected = np.zeros(most)
    draw = np.random.default_rng(seed)
    for size, counted in sorted(chosen.items()):
        n = counted.total()
        seen[:size] += [counted[place] for place in range(size)]
        expected[:size] += n / size
        drawn[:, :size] += draw.multinomial(n, [1 / size] * size, size=_DRAWS)
    further = (np.abs(drawn - expected) >= np.abs(seen - expected) - 1e-9).sum(axis=0)
    p = {place: float(1 + further[place]) / (1 + _DRAWS) for place in range(most)}
    kept = holm({str(place): value for place, value in p.items()})
    return {
        place: Place(
            chosen=int(seen[place]), expected=float(expected[place]), p=p[place], holds=str(place) in kept
        )
        for place in range(most)
    }
