"""How to get the data of a card that is not on this machine."""

from __future__ import annotations

import shlex
from pathlib import Path

from lingshu_train.data.cards import folders
from lingshu_train.data.cards.card import Card
from lingshu_train.data.cards.croissant import home


def how_to_get(card: Card, data_root: Path) -> str:
    """One line: the command, or the steps that a person has to take first."""
    source, access = card.lingshu.source, card.lingshu.access
    elsewhere = "" if data_root == Path("data") else f" --data-root {shlex.quote(str(data_root))}"
    elsewhere += folders.option(card.file) if card.file else ""
    fetch = f"lingshu data fetch {card.name} --yes{elsewhere}"
    steps = source.how_to_get or f"download it from {home(card)}"
    if source.kind == "package":
        way = source.how_to_get or f"install the Python package {source.name}"
    elif source.kind == "physionet":
        way = (
            f"finish the human-subjects training, sign the data use agreement at {home(card)}, then: {fetch}"
        )
    elif source.kind == "hub":
        gate = f"accept the terms at {home(card)}, then: hf auth login && " if access == "gated" else ""
        way = source.how_to_get or f"{gate}{fetch}"
    elif source.files and access == "open":
        way = fetch
    else:
        way = f"{steps}; put it in {card.folder(data_root)}"
    return f"{card.name} ({access}): {way}"
