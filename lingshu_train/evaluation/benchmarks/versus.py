"""Two models on the same questions of each benchmark: the paired difference, and whether it holds over the whole table."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence

from lingshu_train.evaluation.benchmarks.counts import percentiles, question
from lingshu_train.metrics._holm import holm
from lingshu_train.metrics._intervals import Interval, paired_difference
from lingshu_train.schema import Strict

Right = Mapping[str, bool]
"""By the id of a question, whether the answer was right."""
Groups = Mapping[str, str]
"""By the id of a question, the patient or pictures that it is about."""


class Difference(Strict):
    """Of one benchmark: accuracy of the second model less that of the first, on `n` questions that both answered.

    `p`: two-sided, by the signs of the differences of whole groups; where each has one question, McNemar's exact test. The
    interval is Newcombe's there, else a bootstrap of groups. `holds`: below 5 % after Holm's correction over all benchmarks of
    the table.
    """

    name: str
    n: int
    value: float
    low: float
    high: float
    p: float
    holds: bool = False


def differences(
    first: Mapping[str, Right], second: Mapping[str, Right], groups: Mapping[str, Groups] | None = None
) -> list[Difference]:
    """A line a benchmark that both models answered, in the first one's order. Without `groups` a question is by itself, in all
    orders of its options."""
    found = []
    for name, before in first.items():
        ids = [one for one in before if one in second.get(name, {})]
        if not ids:
            continue
        old, new = [before[one] for one in ids], [second[name][one] for one in ids]
        of = (groups or {}).get(name, {})
        totals: dict[str, list[int]] = defaultdict(lambda: [0, 0])
        for one, after, was in zip(ids, new, old, strict=True):
            total = totals[of.get(one) or question(one)]
            total[0] += after - was
            total[1] += 1
        interval = (
            paired_difference(new, old)
            if len(totals) == len(ids)
            else _grouped(list(totals.values()), seed=name)
        )
        found.append(
            Difference(
                name=name,
                n=len(ids),
                value=interval.value,
                low=interval.low,
                high=interval.high,
                p=flipped([total for total, _ in totals.values()]),
            )
        )
    kept = holm({one.name: one.p for one in found})
    return [one.model_copy(update={"holds": one.name in kept}) for one in found]


def _grouped(totals: list[list[int]], *, seed: str) -> Interval:
    """Groups, each with its questions gained less those lost and its number of questions."""
    value = sum(one[0] for one in totals) / sum(one[1] for one in totals)
    low, high = percentiles(totals, seed=seed) if len(totals) > 1 else (-1.0, 1.0)
    return Interval(value=value, low=low, high=high)


def flipped(totals: Sequence[int]) -> float:
    """The exact two-sided p of so uneven a sum, were each group's difference as likely to have the other sign. With differences
    of one alone it is McNemar's."""
    sizes = [abs(one) for one in totals if one]
    if all(size == 1 for size in sizes):
        gained = sum(one > 0 for one in totals)
        return mcnemar(gained, len(sizes) - gained)
    seen, width = abs(sum(totals)), sum(sizes)
    if len(sizes) * width > _MOST:
        z = max(0, seen - min(sizes)) / math.sqrt(sum(size * size for size in sizes))
        return math.erfc(z / math.sqrt(2))
    # chances[sum + width]: of each sum that signs can give.
    chances = [0.0] * width + [1.0] + [0.0] * width
    for size in sizes:
        up, down = [0.0] * size + chances, chances + [0.0] * size
        chances = [(one + other) / 2 for one, other in zip(up[: len(chances)], down[size:], strict=True)]
    return min(1.0, sum(chance for place, chance in enumerate(chances) if abs(place - width) >= seen))


_MOST = 4_000_000
"""Steps of the exact sum; beyond it the normal distribution says the same to two digits."""


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
