"""Chi-square: how well counts agree with the probabilities they should come from."""

from __future__ import annotations

import math

import numpy as np

FEWEST = 5.0
"""Draws that a cell is to expect; cells of fewer are counted together."""


def agreement(counts: np.ndarray, probabilities: np.ndarray) -> float:
    """The chance of counts so far from the probabilities or farther, were these true."""
    expected = probabilities * counts.sum()
    many = expected >= FEWEST
    seen, wanted = counts[many].astype(float), expected[many]
    if not many.all() and expected[~many].sum() > 0:
        seen = np.append(seen, counts[~many].sum())
        wanted = np.append(wanted, expected[~many].sum())
    elif counts[~many].sum():
        return 0.0
    return beyond(float(((seen - wanted) ** 2 / wanted).sum()), len(seen) - 1)


def beyond(statistic: float, freedom: int) -> float:
    """The chance of a chi-square above a value (Wilson and Hilferty 1931)."""
    spread = 2 / (9 * freedom)
    z = ((statistic / freedom) ** (1 / 3) - (1 - spread)) / math.sqrt(spread)
    return 0.5 * math.erfc(z / math.sqrt(2))
