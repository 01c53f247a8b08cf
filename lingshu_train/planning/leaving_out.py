"""The cards that a recipe is told to do without: which there are. What a stage is without them, its kind says. No torch."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence

from pydantic import JsonValue

from lingshu_train.errors import RecipeError

KEY = "without"


def check(names: Sequence[str], stages: Mapping[str, Mapping[str, JsonValue]]) -> None:
    """Every name is a card that a stage of the recipe reads, whether the stage is in the pipeline or not.

    Raises RecipeError naming the one that is not, with the nearest.
    """
    known = _named(stages.values())
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            told = f"; did you mean {near[0]}?" if near else f": {', '.join(known) or 'it reads none'}"
            raise RecipeError(f"{KEY}: no stage of the recipe reads a card {name!r}{told}")
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise RecipeError(f"{KEY}: {twice} stands twice")


def _named(stages: Iterable[Mapping[str, JsonValue]]) -> list[str]:
    found: dict[str, None] = {}
    for stage in stages:
        cards = stage.get("cards")
        found |= dict.fromkeys(map(str, cards if isinstance(cards, list) else []))
    return list(found)
