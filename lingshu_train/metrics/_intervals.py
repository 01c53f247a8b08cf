"""Confidence intervals: one accuracy (Wilson), the difference of two on the same questions or on others (Newcombe)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

Z95 = 1.959963984540054
"""The 97.5 % quantile of the standard normal distribution: two-sided 95 %."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """An estimate with its confidence bounds: a proportion in [0, 1] or a difference in [-1, 1]."""

    value: float
    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        return self.low > 0 or self.high < 0


def wilson(right: int, n: int, *, z: float = Z95) -> Interval:
    """The Wilson score interval of `right` out of `n`.

    Wilson 1927; Newcombe 1998, Statist. Med. 17:857, method 3. Keeps its coverage at small n, near 0 and 1,
    where the interval of Wald collapses to a point. With n = 0 nothing is known: the value is NaN and the
    interval is all of [0, 1].
    """
    if not 0 <= right <= n:
        raise ValueError(f"{right} right of {n}: not a proportion")
    if n == 0:
        return Interval(value=math.nan, low=0.0, high=1.0)
    share = right / n
    centre = share + z * z / (2 * n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    low = 0.0 if right == 0 else (centre - half) / scale
    high = 1.0 if right == n else (centre + half) / scale
    return Interval(value=share, low=low, high=high)


def paired_difference(after: Sequence[bool], before: Sequence[bool], *, z: float = Z95) -> Interval:
    """accuracy(after) - accuracy(before) of two models on the same questions, in the same order.

    Newcombe 1998 (Statist. Med. 17:2635, method 10): the two Wilson intervals, joined with the correlation of
    the paired answers, which is continuity corrected. Pairing matters: two checkpoints of one model agree on
    most questions, so the interval is much narrower than that of two independent samples.
    """
    if len(after) != len(before):
        raise ValueError(f"not paired: {len(after)} answers after, {len(before)} before")
    n = len(after)
    if n == 0:
        return Interval(value=math.nan, low=-1.0, high=1.0)
    pairs = list(zip(after, before, strict=True))
    both = sum(1 for first, second in pairs if first and second)
    gained = sum(1 for first, second in pairs if first and not second)
    lost = sum(1 for first, second in pairs if second and not first)
    neither = n - both - gained - lost

    first, second = wilson(both + gained, n, z=z), wilson(both + lost, n, z=z)
    phi = _correlation(both, gained, lost, neither)
    below = _joined(first.value - first.low, second.high - second.value, phi)
    above = _joined(first.high - first.value, second.value - second.low, phi)
    value = (gained - lost) / n
    return Interval(value=value, low=max(-1.0, value - below), high=min(1.0, value + above))


def difference(after: int, n_after: int, before: int, n_before: int, *, z: float = Z95) -> Interval:
    """The difference of two accuracies on other questions: `after` right of `n_after`, less `before` right of `n_before`.

    Newcombe 1998 (Statist. Med. 17:873, method 10): the two Wilson intervals, joined as of independent samples.
    """
    if n_after == 0 or n_before == 0:
        return Interval(value=math.nan, low=-1.0, high=1.0)
    first, second = wilson(after, n_after, z=z), wilson(before, n_before, z=z)
    value = first.value - second.value
    below = _joined(first.value - first.low, second.high - second.value, 0.0)
    above = _joined(first.high - first.value, second.value - second.low, 0.0)
    return Interval(value=value, low=max(-1.0, value - below), high=min(1.0, value + above))


def _correlation(both: int, gained: int, lost: int, neither: int) -> float:
    """The phi coefficient of the 2x2 table, pulled towards zero by n/2 where it is positive (method 10)."""
    margins = (both + gained) * (lost + neither) * (both + lost) * (gained + neither)
    if margins == 0:
        return 0.0
    excess: float = both * neither - gained * lost
    if excess > 0:
        excess = max(0.0, excess - (both + gained + lost + neither) / 2)
    return excess / math.sqrt(margins)


def _joined(one: float, other: float, phi: float) -> float:
    return math.sqrt(max(0.0, one * one - 2 * phi * one * other + other * other))
