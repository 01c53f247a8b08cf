"""Which rows reinforcement learning sees: yes/no questions kept few, choices and open questions alike, no modality ahead.

The paper (section 3.4) states the aim: yes/no questions down-sampled to about 5 %, choices whose answer is a word or
phrase asked openly so that choices and open questions are balanced, the selection balanced over modality and query
format. It does not state how. The rule below is ours:

1. Yes/no questions get their share of the result, the other rows the rest.
2. Both are spread over the modalities: an equal quota each; what a small one lacks is spread over the others.
3. In each modality half of the other rows are choices and half are open. Where open questions lack, choices that can be
   asked openly are, and no more than lack. Where a modality cannot be half and half, the others make up for it.
4. Which rows of a stratum are taken is decided by a permutation keyed by the seed.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import floor
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from lingshu_train.data.order.permutation import Permutation
from lingshu_train.record import ANSWER_TYPES
from lingshu_train.schema import Strict

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]
CHOICES = ("mcq", "multi_select")
FILE = "selection.npz"
"""Below a stage's folder: the rows that its selection took."""


class Selection(Strict):
    """Which rows reinforcement learning sees: yes/no questions kept few, choices and open questions alike, no
    modality ahead."""

    size: int | None = Field(default=None, ge=1)
    """How many rows to take; none takes all that the share of yes/no questions allows."""
    yes_no_share: float | None = Field(default=0.05, ge=0, lt=1)
    """The share of yes/no questions in the result (the paper: about 5 %); none leaves them as one format of three."""
    open_words: bool = True
    """Ask choices whose answer is a word or phrase openly, where open questions are too few to balance them."""
    balance: tuple[Literal["modality", "question_type"], ...] = ("modality", "question_type")
    """Over what the rows are spread in equal parts; what is not named is drawn as it comes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Strata:
    """What is known of each row, (n,): its place in `ANSWER_TYPES`, a number for its modality, and if it can be opened.

    Every type but yes/no and the two kinds of choice counts as open. `openable` matters for "mcq" alone.
    """

    question_type: NDArray[np.integer]
    modality: NDArray[np.integer]
    openable: Flags


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """Row numbers, rising, and for each whether its choice is to be asked openly. Fewer than `size` where rows lack."""

    rows: Ints
    opened: Flags


@dataclass(frozen=True, slots=True)
class _Draw:
    """Draws rows of a pool by quotas per group. `groups` (n,) from 0; `ranks` (n,): low ones are drawn first."""

    groups: Ints
    ranks: Ints

    def count(self, pool: Flags) -> Ints:
        """Rows of the pool in each group."""
        return np.bincount(self.groups[pool], minlength=int(self.groups.max(initial=0)) + 1)

    def take(self, pool: Flags, quotas: Ints) -> Flags:
        """As many rows of each group as its quota says, (n,)."""
        rows = np.flatnonzero(pool)
        rows = rows[np.lexsort((self.ranks[rows], self.groups[rows]))]
        groups = self.groups[rows]
        nth = np.arange(len(rows)) - np.searchsorted(groups, groups)
        taken = np.zeros(len(pool), bool)
        taken[rows[nth < quotas[groups]]] = True
        return taken


def select(strata: Strata, selection: Selection, *, seed: int) -> Chosen:
    """The rows of a recipe's selection: a pure function of its arguments."""
    size = len(strata.question_type)
    ranks = Permutation(max(size, 1), f"selection/{seed}").many(np.arange(size))
    by_modality = "modality" in selection.balance
    groups = np.unique(strata.modality, return_inverse=True)[1] if by_modality else np.zeros(size, np.int64)
    draw = _Draw(groups, ranks)
    polar = strata.question_type == ANSWER_TYPES.index("yes_no")
    # The share of yes/no questions is of the whole, so they and the others are spread over the modalities each on their own.
    polar_size, other_size = _sizes(selection, int(polar.sum()), int((~polar).sum()))
    taken = draw.take(polar, _spread(draw.count(polar), polar_size))
    quotas = _spread(draw.count(~polar), other_size)
    others, opened = _others(strata, selection, draw=draw, quotas=quotas, pool=~polar)
    rows = np.flatnonzero(taken | others)
    return Chosen(rows=rows, opened=opened[rows])


def _sizes(selection: Selection, polar: int, others: int) -> tuple[int, int]:
    """How many yes/no rows and how many others, of so many that there are."""
    size = min(selection.size or polar + others, polar + others)
    if selection.yes_no_share is None:
        third = "question_type" in selection.balance
        wanted = round(Fraction(size, 3) if third else Fraction(size * polar, max(polar + others, 1)))
        few = min(polar, max(wanted, size - others))
        return few, size - few
    share = Fraction(str(selection.yes_no_share))
    few = min(polar, floor(share * size + Fraction(1, 2)))
    rest = min(others, size - few)
    if rest < size - few:  # the others are used up: the share is of what there is
        few = min(few, floor(rest * share / (1 - share)))
    return few, rest


def _others(
    strata: Strata, selection: Selection, *, draw: _Draw, quotas: Ints, pool: Flags
) -> tuple[Flags, Flags]:
    """The rows that are no yes/no questions, and which choices among them are opened, each (n,)."""
    choice = np.isin(strata.question_type, [ANSWER_TYPES.index(name) for name in CHOICES])
    free = pool & ~choice
    mcq = strata.question_type == ANSWER_TYPES.index("mcq")
    turnable = mcq & strata.openable if selection.open_words else np.zeros(len(choice), bool)
    if "question_type" not in selection.balance:
        taken = draw.take(pool, quotas)
        surplus = int((taken & choice).sum() - (taken & free).sum()) // 2
        return taken, _Draw(np.zeros_like(draw.groups), draw.ranks).take(
            taken & turnable, np.array([max(surplus, 0)])
        )
    choices, frees, turnables = draw.count(choice), draw.count(free), draw.count(turnable)
    fewest = np.maximum(quotas - frees - turnables, 0)
    most = np.minimum(quotas, choices)
    kept = _level(quotas // 2, low=fewest, high=most, total=int(quotas.sum()) // 2)
    lack = np.maximum(quotas - kept - frees, 0)
    opened = draw.take(turnable, lack)
    taken = opened | draw.take(free, quotas - kept) | draw.take(choice & ~opened, kept)
    return taken, opened


def _spread(available: Ints, total: int) -> Ints:
    """Equal quotas that add up to `total`; what a small group lacks goes to the others."""
    nothing = np.zeros_like(available)
    return _level(nothing, low=nothing, high=available, total=total)


def _level(start: Ints, *, low: Ints, high: Ints, total: int) -> Ints:
    """`start` raised or lowered by one amount for all, within `low` and `high`, so that the sum comes nearest to `total`.

    What is left by whole numbers goes to the first groups that can take one more.
    """
    # By bisection, as the sum only rises with the amount; the ends bring every group to its lowest and to its highest.
    under, over = -int(high.max(initial=0) + start.max(initial=0)) - 1, int(high.max(initial=0)) + 1
    while over - under > 1:
        middle = (under + over) // 2
        under, over = (middle, over) if np.clip(start + middle, low, high).sum() <= total else (under, middle)
    level = np.clip(start + under, low, high)
    can_rise = np.flatnonzero(np.clip(start + over, low, high) > level)
    level[can_rise[: max(total - int(level.sum()), 0)]] += 1
    return level
