"""Archives of a card that lie in its folder, whoever put them there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lingshu_train.data.cards import parts, pieces
from lingshu_train.data.cards.card import Card
from lingshu_train.data.cards.source import Unpack


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """`target`: the folder that its members belong into, None for its own. `flat`: without the members' folders. `parts`: the
    files that hold it, one where it is not cut."""

    path: Path
    parts: tuple[Path, ...]
    target: Path | None
    flat: bool


def rules(card: Card) -> tuple[Unpack, ...]:
    """What the card says of its archives, its own source's and its companions'."""
    return tuple(rule for part in parts.of(card) for rule in part.source.unpack)


def archives(card: Card, folder: Path) -> list[Archive]:
    """By name, each once. DataError: of one that is cut a piece is missing."""
    return sorted({found.path: found for found in _found(card, folder)}.values(), key=lambda one: one.path)


def _found(card: Card, folder: Path) -> Iterator[Archive]:
    for part in parts.of(card):
        place = folder / part.into
        for rule in part.source.unpack:
            target = place / rule.into if rule.into else None
            for one in pieces.found(place, rule.files):
                yield Archive(path=one.path, parts=one.parts, target=target, flat=rule.flat)


def unnamed(card: Card, folder: Path) -> list[Archive]:
    """Archives in the folder itself, where none lies there that the card names: they are unpacked where they lie."""
    if archives(card, folder):
        return []
    return [Archive(path=one.path, parts=one.parts, target=None, flat=False) for one in pieces.any_in(folder)]
