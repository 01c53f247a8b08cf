"""`lingshu data unpack`: the archives that a person has put into a card's folder, unpacked as a download would have them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from lingshu_train.data.cards import card as cards
from lingshu_train.data.cards import packed, presence
from lingshu_train.data.cards.card import Card
from lingshu_train.errors import MissingInput
from lingshu_train.hub.unpack import unpack


def unpacked(card: Card, data_root: Path, *, say: Callable[[str], None]) -> tuple[str, ...]:
    """Unpack every archive of the card that lies in its folder; a line for each. What lies there already stays as it is.

    Where the rows lie there and no archive, nothing is left to do. MissingInput (66): neither rows nor an archive that the card
    knows. DataError, CannotCreate: see `unpack`.
    """
    folder = card.folder(data_root)
    found = packed.archives(card, folder) or packed.unnamed(card, folder)
    wanted = ", ".join(sorted(rule.files for rule in packed.rules(card))) or "none"
    if not found and cards.root(card, data_root):
        return (
            f"{folder}: nothing to unpack; rows of {card.name} lie there, and no archive (it has: {wanted})",
        )
    if not found:
        raise MissingInput(
            f"{folder}: holds no archive of {card.name} (it has: {wanted}); {presence.how_to_get(card, data_root)}"
        )
    lines = []
    for archive in found:
        say(f"{card.name}: unpacking {archive.path.relative_to(folder)}")
        count = unpack(archive.path, archive.target, flat=archive.flat, parts=archive.parts)
        into = archive.target or archive.path.parent
        lines.append(f"{archive.path}: {count:,} files into {into}")
    return tuple(lines)
