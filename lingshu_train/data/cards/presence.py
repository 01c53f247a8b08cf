"""How to get the data of a card that is not on this machine."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

from lingshu_train.data.cards import card as cards
from lingshu_train.data.cards import folders, packed, parts
from lingshu_train.data.cards.card import Card
from lingshu_train.data.cards.parts import Part
from lingshu_train.errors import DataError

SHOWN = 3
"""Names in a folder that are told."""


def how_to_get(card: Card, data_root: Path) -> str:
    """One line: the command, or the steps that a person has to take first. Of what is here already it says nothing."""
    _, *further = parts.of(card)
    unfinished = (card.folder(data_root) / card.journal).exists()
    ways = [] if cards.has_rows(card, card.folder(data_root)) and not unfinished else [_own(card, data_root)]
    ways += _further(further, data_root)
    ways = ways or [_own(card, data_root)]
    other = "" if unfinished else _other(card, data_root)
    return f"{card.name} ({card.lingshu.access}): {'; '.join([*ways, *([other] if other else [])])}"


def _other(card: Card, data_root: Path) -> str:
    """That something else lies in the card's folder: in a folder too many, or under another name. Empty where nothing does, or
    the rows are there."""
    folder = card.folder(data_root)
    if not card.files or not folder.is_dir() or cards.has_rows(card, folder):
        return ""
    if len(around := cards.around(card, folder)) > 1:
        names = " and ".join(place.relative_to(folder).as_posix() for place in around)
        return f"{folder} holds its files in {names}; leave one of them there"
    here = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    if not here:
        return ""
    try:
        archives = packed.archives(card, folder) or packed.unnamed(card, folder)
    except DataError as fault:  # A piece of one is missing.
        return str(fault)
    if archives:
        names = "an archive" if len(archives) == 1 else f"{len(archives):,} archives"
        return f"{folder} holds {names} of it; to unpack: lingshu data unpack {card.name}"
    more = f" and {len(here) - SHOWN:,} more" if len(here) > SHOWN else ""
    wanted = " or ".join(dict.fromkeys(card.files.values()))
    return f"{folder} holds {', '.join(here[:SHOWN])}{more}, and no {wanted}"


def _own(card: Card, data_root: Path) -> str:
    """How the card's own source is got."""
    source, access = card.lingshu.source, card.lingshu.access
    fetch = _command(card, data_root)
    steps = source.how_to_get or f"download it from {source.home}"
    if source.kind == "package":
        return source.how_to_get or f"install the Python package {source.name}"
    if source.kind == "physionet":
        return (
            f"finish the human-subjects training, sign the data use agreement at {source.home}, then: {fetch}"
        )
    if source.kind == "hub":
        gate = f"accept the terms at {source.home}, then: hf auth login && " if access == "gated" else ""
        return source.how_to_get or f"{gate}{fetch}"
    if source.files and access == "open":
        return fetch
    return f"{steps}; put it in {card.folder(data_root)}"


def _further(found: list[Part], data_root: Path) -> Iterator[str]:
    """What a person puts beside it. What the command fetches needs no word, unless the card's own source is not fetched."""
    for part in found:
        source, card = part.source, part.card
        if part.by_hand and not part.there(data_root):
            steps = source.how_to_get or f"download it from {source.home}"
            yield f"{source.name}: {steps}; put it in {card.folder(data_root) / part.into}"
    fetched = [part.source.name for part in found if not part.by_hand]
    own = found[0].card.lingshu if found else None
    if fetched and own and own.source.by_hand(own.access):
        yield f"and for {', '.join(fetched)}: {_command(found[0].card, data_root)}"


def _command(card: Card, data_root: Path) -> str:
    """The command that fetches it."""
    elsewhere = "" if data_root == Path("data") else f" --data-root {shlex.quote(str(data_root))}"
    elsewhere += folders.option(card.file) if card.file else ""
    return f"lingshu data fetch {card.name} --yes{elsewhere}"
