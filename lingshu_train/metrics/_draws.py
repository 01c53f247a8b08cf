"""Several draws a question: pass@k, whether one of k is right, and maj@k, whether the answer that most of k give is right."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Draw:
    """One answer: its normal form, empty where none could be read, and whether it is right."""

    answer: str
    right: bool


def pass_at(draws: Sequence[Draw], k: int) -> float:
    """The unbiased estimate of Chen et al. 2021 (arXiv:2107.03374): 1 - C(n - c, k) / C(n, k) of n draws, c of them right."""
    n, right = len(draws), sum(draw.right for draw in draws)
    assert 1 <= k <= n
    return 1.0 - math.comb(n - right, k) / math.comb(n, k)


def maj_at(draws: Sequence[Draw], k: int) -> float:
    """The mean over the disjoint stretches of k draws. An answer that could not be read has no vote; of answers with as many
    votes the first counts."""
    assert 1 <= k <= len(draws)
    stretches = [draws[start : start + k] for start in range(0, len(draws) - k + 1, k)]
    return sum(_majority(each) for each in stretches) / len(stretches)


def _majority(draws: Sequence[Draw]) -> bool:
    votes = Counter(draw.answer for draw in draws if draw.answer)
    if not votes:
        return False
    chosen = votes.most_common(1)[0][0]
    return next(draw.right for draw in draws if draw.answer == chosen)


def sizes(n: int) -> tuple[int, ...]:
    """The k that are told of n draws: powers of two below n, and n."""
    return (*(2**power for power in range(n.bit_length()) if 2**power < n), n)
