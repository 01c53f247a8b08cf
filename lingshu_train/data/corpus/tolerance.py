"""How many bad rows a card may have: whoever prepares or checks it asks the same, and says the same words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction

from lingshu_train.data.cards.card import Card
from lingshu_train.data.rows import layouts
from lingshu_train.data.rows.layouts import RowLayout

MOST_REFUSED = 0.01
"""Share of a card's rows that may be refused, where nothing else is said."""


EARLY = 1_000
"""Rows of a card before its share of refused rows can stop the run: one per cent is ten rows then, which is no accident."""


def within(*, refused: int, kept: int, most: float) -> bool:
    """Whether so many refused rows are no more than the share `most`, rounded up to whole rows: of few rows a share is less
    than one, and one bad row shall not cost the others. A share of 0 allows none, and only one of 1 allows all."""
    if refused and not kept:
        return most >= 1
    return refused <= math.ceil(Fraction(str(most)) * (refused + kept))


def too_many(card: str, *, refused: int, kept: int, most: float, last: str, least: int = 1) -> str:
    """What is wrong where more of a card's rows are refused than `within` lets pass; else nothing. `last`: one of them.
    Rows that the card skips are no part of it. Asked after the last row, and with `least` = EARLY after each chunk
    (`chunks.CHUNK` lines): what stops a run early counts, whatever would have come."""
    if refused + kept < least or within(refused=refused, kept=kept, most=most):
        return ""
    fault = f"{card}: {refused:,} of {refused + kept:,} rows refused, more than most_refused={most:g}"
    return f"{fault}; the last: {last}" if last else fault


def none_left(
    card: Card, splits: Sequence[str], *, refused: int, kept: int, skipped: Mapping[str, int]
) -> str:
    """What is wrong where a card of rows gives none; else nothing. Its file is wrong then, or a filter that nothing passes."""
    # Where all are refused and none is skipped, `too_many` has been asked, and was told to let them pass.
    if kept or (refused and not skipped) or not isinstance(layouts.of(card), RowLayout):
        return ""
    read = ", ".join(splits)
    gone = [f"{refused:,} refused"] * bool(refused)
    gone += [f"the card skips {reason} {count:,}" for reason, count in sorted(skipped.items())]
    if gone:
        return f"{card.name}: no row of split {read} is left: {', '.join(gone)}"
    return f"{card.name}: no row in split {read}: its files hold none, or `fields` leaves out all"
