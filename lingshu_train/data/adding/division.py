"""Into which splits a set is divided: whole patients, with shares as near as they can be had to those that are asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from lingshu_train.data.rows.row import Divide
from lingshu_train.errors import DataError

SEEDS = 200
"""Draws that are tried. The first that is near enough is taken, so that few rows more change nothing."""
NEAR = 0.01
"""Share of the rows by which a split may be larger or smaller than asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Division:
    """The rule and the rows that each split gets by it."""

    rule: Divide
    rows: Mapping[str, int]


def divide(groups: Mapping[str, int], *, held_out: float, what: str) -> Division:
    """`groups`: what belongs together -> its rows; `what` they are, for the error. DataError: there are too few of them."""
    if len(groups) < 2:
        raise DataError(
            f"all rows belong to one {what}, so that none can be held out; --patient names another column, or --patient none"
        )
    shares = {"train": round(1 - held_out, 6), "held_out": held_out}
    total = sum(groups.values())
    best: tuple[float, Division] | None = None
    for seed in range(SEEDS):
        rule = Divide(shares=shares, seed=seed)
        rows: Counter[str] = Counter()
        for key, count in groups.items():
            rows[rule.split_of(key)] += count
        off = abs(rows["held_out"] / total - held_out)
        if rows["train"] and rows["held_out"] and (best is None or off < best[0]):
            best = (off, Division(rule=rule, rows={split: rows[split] for split in shares}))
            if off <= NEAR:
                break
    if best is None:
        raise DataError(
            f"{len(groups)} {what}s cannot be divided such that both splits have rows; give more, or other shares"
        )
    return best[1]
