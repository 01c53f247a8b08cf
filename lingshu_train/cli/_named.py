"""Data cards by the names of a command line, which may be those of recipes too."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lingshu_train.cli._help import DATA
from lingshu_train.data.cards import card as cards
from lingshu_train.data.cards.card import Card
from lingshu_train.planning import recipe


def cards_of(names: Sequence[str], data_root: Path) -> list[tuple[Card, Path]]:
    """The cards that are named, and for a recipe's name all cards of its stages, each once with its data root. A card's name
    wins where a recipe has the same.

    A recipe's cards lie below its own `data_root`, unless the command line names another than the default. RecipeError: a name
    is of neither, or the recipe is wrong.
    """
    known, found = set(cards.names()), dict[str, tuple[Card, Path]]()
    for name in names:
        if name in known or not _recipe(name):
            found.setdefault(name, (cards.load(name, where="data fetch"), data_root))
            continue
        loaded = recipe.load(name)
        place = Path(loaded.data_root) if data_root == DATA else data_root
        for one in dict.fromkeys(card for block in loaded.stages for card in block.config.card_names):
            found.setdefault(one, (cards.load(one, where=f"{name}: cards"), place))
    return list(found.values())


def _recipe(name: str) -> bool:
    return name in recipe.names() or name.endswith((".yaml", ".yml"))
