"""Two models on the same questions of each benchmark: the paired difference, and whether it holds over the whole table."""

from __future__ import annotations

import math
from collections.abc import Mapping

from lingshu_train.metrics._holm import holm
from lingshu_train.metrics._intervals import Interval, paired_difference
from lingshu_train.schema import Strict

Right = Mapping[str, bool]
"""By the id of a question, whether the answer was right."""


class Difference(Strict):
    """Of one benchmark: accuracy of the second model less that of the first, on `n` questions that both answered.

    `p`: McNemar's exact test, two-sided. `holds`: below 5 % after Holm's correction over all benchmarks of the table.
    """

    name: str
    n: int
    value: float
    low: float
    high: float
    p: float
    holds: bool = False


def differences(first: Mapping[str, Right], second: Mapping[str, Right]) -> list[Difference]:
    """A line a benchmark that both models answered, in the first one's order."""
    found = []
    for name, before in first.items():
        ids = [one for one in before if one in second.get(name, {})]
        if not ids:
            continue
        old, new = [before[one] for one in ids], [second[name][one] for one in ids]
        interval: Interval = paired_difference(new, old)
        gained = sum(after and not was for after, was in zip(new, old, strict=True))
        lost = sum(was and not after for after, was in zip(new, old, strict=True))
        found.append(
            Difference(
                name=name,
                n=len(ids),
                value=interval.value,
                low=interval.low,
                high=interval.high,
                p=mcnemar(gained, lost),
            )
        )
    kept = holm({one.name: one.p for one in found})
    return [one.model_copy(update={"holds": one.name in kept}) for one in found]


def mcnemar(gained: int, lost: int) -> float:
    """The exact two-sided p of McNemar's test: so uneven a split of the questions on which two models differ, by chance."""
    n = gained + lost
    if not n:
        return 1.0
    tail = (
        sum(math.comb(n, one) for one in range(min(gained, lost) + 1)) / 2**n
        if n <= _EXACT
        else _normal_tail(gained, lost)
    )
    return min(1.0, 2 * tail)


_EXACT = 1000
"""Beyond, the normal distribution with a continuity correction is the same to three digits."""


def _normal_tail(gained: int, lost: int) -> float:
    z = max(0.0, abs(gained - lost) - 1) / math.sqrt(gained + lost)
    return math.erfc(z / math.sqrt(2)) / 2


def text(first: str, second: str, found: list[Difference]) -> str:
    """A line a benchmark, in points."""
    lines = [f"{second} − {first}, points on the same questions (* holds over the table, Holm, 5 %)"]
    lines += [
        f"  {one.name}: {100 * one.value:+.1f} ({100 * one.low:+.1f} to {100 * one.high:+.1f}), n = {one.n:,}, "
        f"p = {one.p:.3f}{' *' if one.holds else ''}"
        for one in found
    ]
    return "\n".join(lines)
