"""Whether questions, completions and images may be given to a tracker: only where every card behind the stage allows it."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from lingshu_train.data.cards import card, licences
from lingshu_train.errors import RecipeError

_NAMED = 3
"""Cards named in one line; `lingshu plan` lists them all with the stage."""


def refusal(names: Collection[str], *, folder: Path | None = None) -> str:
    """Why samples of a stage that rests on these cards stay here; empty where they may go.

    A tracker's files on this machine count as sent, since they are made to be synced.
    """
    if not names:
        return "no data card stands behind it"
    found = []
    for name in sorted(names):
        try:
            found.append(card.load(name, folder=folder))
        except RecipeError:
            return f"data card {name} is not found here"
    reasons = licences.unsendable(found)
    more = f"; and {len(reasons) - _NAMED} cards more" if len(reasons) > _NAMED else ""
    return "; ".join(reasons[:_NAMED]) + more
