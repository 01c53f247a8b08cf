"""Names that a shell can complete. The shell asks by starting the command, so each import stands where it is needed."""

from __future__ import annotations


def recipes(incomplete: str) -> list[str]:
    """Recipes of this project; the shell itself completes the path of a file."""
    from lingshu_train.planning import recipe

    return [name for name in recipe.names() if name.startswith(incomplete)]


def cards(incomplete: str) -> list[str]:
    """Data cards."""
    from lingshu_train.data.cards import card

    return [name for name in card.names() if name.startswith(incomplete)]


def explained(incomplete: str) -> list[str]:
    """Names and keys that can be explained."""
    from lingshu_train.reference import find

    return [name for name in find.addresses() if name.startswith(incomplete)]
