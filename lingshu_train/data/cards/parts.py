"""The sources of one card, its own and its companions, each as what a download deals with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lingshu_train.data.cards import card as cards
from lingshu_train.data.cards.card import Card
from lingshu_train.data.cards.source import Access, Companion, Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What comes from one source of a card. `into`: the folder below the data folder in which its files go, empty for that
    folder itself. `rows`: patterns of the files of the splits, where the source is the card's own.
    """

    card: Card
    source: Source | Companion
    access: Access
    into: str
    rows: tuple[str, ...]

    @property
    def own(self) -> bool:
        """Whether it is the card's own source."""
        return isinstance(self.source, Source)

    @property
    def label(self) -> str:
        """How messages call it."""
        return self.card.name if self.own else f"{self.card.name}, {self.source.name}"

    @property
    def by_hand(self) -> bool:
        """Whether no command can fetch it, whoever asks: a person puts it there."""
        return self.source.by_hand(self.access)

    @property
    def whole_repository(self) -> bool:
        """Whether all files of the source are wanted: no pattern says which, or, of the card's own, not where pictures lie."""
        if self.source.include:
            return False
        return not self.rows or "images" in self.card.lingshu.fields

    def patterns(self) -> tuple[str, ...]:
        """Which files of the source are wanted; empty for all of them."""
        return () if self.whole_repository else tuple(dict.fromkeys((*self.rows, *self.source.include)))

    def within(self, name: str) -> str:
        """The path below the data folder of a file of the source."""
        return f"{self.into}/{name}" if self.into else name

    def below(self, name: str) -> str:
        """The path below the source's own folder of what is `name` below the data folder."""
        return name.removeprefix(f"{self.into}/") if self.into else name

    def there(self, data_root: Path) -> bool:
        """Whether files of it lie in the data folder, whoever put them there."""
        folder = self.card.folder(data_root)
        if isinstance(self.source, Companion):
            return self.source.shown(folder)
        return cards.has_rows(self.card, folder)


def of(card: Card) -> tuple[Part, ...]:
    """The card's own source, then its companions in their order."""
    block = card.lingshu
    rows = dict.fromkeys(pattern for one in card.layouts for pattern in card.files_of(one).values())
    own = Part(card=card, source=block.source, access=block.access, into="", rows=tuple(rows))
    further = (
        Part(
            card=card,
            source=one,
            access=one.access or block.access,
            into="" if one.into == "." else one.into,
            rows=(),
        )
        for one in block.source.companions
    )
    return (own, *further)
