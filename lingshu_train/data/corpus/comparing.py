"""Which rows of a corpus being made are held against others, and what they must not share.

Splits that a card gives to one corpus under several names are held against each other, and a training card and a benchmark that
are read from one folder; what a card declares in its `overlaps` is known and not asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lingshu_train.data.cards import card as cards
from lingshu_train.data.cards.card import Card
from lingshu_train.data.checks import overlap
from lingshu_train.data.corpus.specification import Specification
from lingshu_train.data.corpus.writer import Writer
from lingshu_train.errors import DataError

DECLARE = "if they are meant to, name {other} among `overlaps` of the card {card}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Against:
    """What a card's rows are held against: its `own` other splits, and `others` with the folder of each."""

    card: Card
    own: bool
    others: tuple[tuple[Card, Path], ...]


def of(wanted: Specification) -> dict[str, Against]:
    """By name, the cards of which anything is compared."""
    found = {}
    for (name, splits), card in zip(wanted.splits, wanted.loaded(), strict=True):
        declared = card.lingshu.overlaps
        others = [one for one in overlap.others(card, None) if card.files and one.name not in declared]
        there = ((one, cards.root(one, Path(wanted.data_root))) for one in others)
        against = Against(
            card=card,
            own=bool(card.files) and name not in declared and len({split for _, split in splits}) > 1,
            others=tuple((one, root) for one, root in there if root is not None),
        )
        if against.own or against.others:
            found[name] = against
    return found


def stop(writer: Writer, against: Mapping[str, Against]) -> None:
    """DataError: by now a group or a picture of a card was met in two splits."""
    for name, one in against.items():
        if one.own and (leak := writer.leak(name)):
            declare = DECLARE.format(other=name, card=name)
            raise DataError(f"{leak}; lingshu data check {name} tells of all; {declare}")


def stop_at_others(writer: Writer, wanted: Specification, against: Mapping[str, Against]) -> None:
    """DataError: a card shares groups or pictures with another one. Asked after its last row."""
    with writer.seen() as seen:
        for name, one in against.items():
            for other, root in one.others:
                lines = overlap.shared(one.card, other, root, seen=seen, wanted=wanted).lines
                if lines:
                    raise DataError(f"{'; '.join(lines)}; {DECLARE.format(other=other.name, card=name)}")
