"""Names that a shell can complete. The shell asks by starting the command, so each import stands where it is needed."""

from __future__ import annotations


def recipes(incomplete: str) -> list[str]:
    """Recipes of this project; the shell itself completes the path of a file."""
    from lingshu_train.planning import recipe

    return [name for name in recipe.names() if name.startswith(incomplete)]


def cards(incomplete: str) -> list[str]:
    """Data cards; none where a folder of cards is not there, which the verb itself will say."""
    from lingshu_train.data.cards import card
    from lingshu_train.errors import MissingInput

    try:
        return [name for name in card.names() if name.startswith(incomplete)]
    except MissingInput:
        return []


def cards_and_recipes(incomplete: str) -> list[str]:
    """Data cards and recipes, each name once."""
    return list(dict.fromkeys([*cards(incomplete), *recipes(incomplete)]))


def explained(incomplete: str) -> list[str]:
    """Names and keys that can be explained."""
    from lingshu_train.reference import find

    return [name for name in find.addresses() if name.startswith(incomplete)]


def papers(incomplete: str) -> list[str]:
    """Papers that can be written of a run."""
    from lingshu_train import papers as room

    return [name for name in room.names() if name.startswith(incomplete)]
