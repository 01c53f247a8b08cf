"""Which of a card's layouts lies in a data folder, where a publisher has published the same data in several."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lingshu_train.data.cards import alike, patterns
from lingshu_train.data.cards.card import Card


def seen(card: Card, folder: Path) -> str:
    """The name of the variant that lies in `folder`; empty where the card's own `fields` fit, or nothing lies there.

    What a layout names are the files of its splits and the folders under `images`. Read is the layout of which the fewest are
    missing; of several with equally few the first, the card's own before its variants in their order. A layout without the
    files of a single split is none that lies there.
    """
    lacking = {
        one: sum(not there for there in (*splits, *_folders(card, one, folder)))
        for one in card.layouts
        if any(splits := [*_splits(card, one, folder)])
    }
    # Under other names (`alike`) only where no layout has its files as it says.
    lacking = lacking or {
        one: sum(not there for there in (*splits, *_folders(card, one, folder)))
        for one in card.layouts
        if any(splits := [alike.there(folder, each) for each in card.files_of(one).values()])
    }
    return min(lacking, key=lambda one: lacking[one], default="")


def told(card: Card, folder: Path) -> str:
    """The layout that lies in the folder, in a word, for cards that know several; empty for others."""
    return (seen(card, folder) or "as in `fields`") if card.lingshu.variants else ""


def _splits(card: Card, variant: str, folder: Path) -> Iterator[bool]:
    """Of each split, whether it has a file."""
    for pattern in card.files_of(variant).values():
        yield next(patterns.files(folder, pattern), None) is not None


def _folders(card: Card, variant: str, folder: Path) -> Iterator[bool]:
    """Of each folder of pictures that the layout names, whether one fits."""
    named = card.fields_of(variant).get("images")
    for pattern in named if isinstance(named, list) else [named]:
        if isinstance(pattern, str) and pattern not in ("", "."):
            yield any(
                path.is_dir() for one in patterns.expand(pattern) for path in patterns.paths(folder, one)
            )
