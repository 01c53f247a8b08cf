"""Whether equal names of patients and rows mean the same in two data cards."""

from __future__ import annotations

from pathlib import Path

from lingshu_train.data.cards import card as cards
from lingshu_train.errors import DataError, RecipeError


def named_alike(card: str, other: str) -> bool:
    """Between cards of one data folder, and cards of which one names the other in `overlaps`; elsewhere equal names say
    nothing. False where a card is not here any more."""
    if card == other:
        return True
    try:
        one, two = cards.load(card), cards.load(other)
    except (DataError, RecipeError):
        return False
    shared = one.folder(Path()) == two.folder(Path())
    return shared or other in one.lingshu.overlaps or card in two.lingshu.overlaps
