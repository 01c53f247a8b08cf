"""What a card states of its splits, against what lies there: whoever prepares or checks it says the same words.

Rows that were never read refuse nothing by themselves, so that a file that was cut short, or a shard that is not here, shows in
the number of rows alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lingshu_train.data.cards import alike, fetched, parts, patterns, variants
from lingshu_train.data.cards import card as cards
from lingshu_train.data.cards.card import Card
from lingshu_train.naming import file_digest

ADVICE = (
    "if its files were cut short on the way, get them again; if a part of the set lies here on purpose, say --part "
    "(in a recipe `part: [{card}]`)"
)
PART = "it was said that a part of the set lies here"
SERVED = (
    "its files are whole, as they were downloaded: the publisher's set is another one than the card describes"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """Rows of a split of a card, as they were read: kept, refused, and left out by the card, which `skipped` counts by reason;
    `missed` are those of the left-out ones that the publisher counts. `last`: one of the refused."""

    kept: int
    refused: int
    missed: int
    skipped: Mapping[str, int] = field(default_factory=dict)
    last: str = ""

    def __str__(self) -> str:
        text = f"{self.kept:,} rows"
        text += f", {self.missed:,} that the card skips" if self.missed else ""
        return text + (f" and {self.refused:,} that are refused" if self.refused else "")

    @property
    def all(self) -> int:
        """The publisher's rows."""
        return self.kept + self.refused + self.missed


def of(card: Card, root: Path, split: str) -> cards.Split:
    """What the card states of a split, which it does of the layout in its own `fields`; nothing of another one."""
    return cards.Split() if variants.seen(card, root) else card.lingshu.splits.get(split, cards.Split())


def difference(card: Card, root: Path, split: str, found: Counted) -> str:
    """That a split has another number of rows than the card states; empty where it has as many, or the card states none that it
    stands by."""
    one = of(card, root, split)
    if one.rows is None or one.unverified or one.rows == found.all:
        return ""
    return f"{card.name} {split}: {found}, the card states {one.rows:,}"


def other_file(card: Card, root: Path, split: str) -> str:
    """That the one file of a split has another checksum than the card states; else empty."""
    sha256, pattern = of(card, root, split).sha256, card.files_of(variants.seen(card, root)).get(split, "")
    files = set(patterns.files(root, pattern)) if sha256 else set()
    if len(files) != 1 or file_digest(path := files.pop()) == sha256:
        return ""
    source, other = card.lingshu.source, "that the card was written for"
    if source.kind != "local":
        other = f"of revision {source.revision or 'none'} that the card describes"
    return f"{path}: sha256 differs from the card's, so it is not the file {other}"


def excuse(card: Card, root: Path, *, part: bool) -> str:
    """Why it is no fault of what lies there that it is not what the card states; empty where it may be one.

    DataError: the record of a download cannot be read.
    """
    return PART if part else SERVED if _served(card, root) else ""


def recorded(card: Card, root: Path) -> bool:
    """Whether a download put the card's files there and wrote down which: then a number that is not the card's, and that
    nothing excuses, is a fault of what lies there. Of files that a person put there nobody knows whether they are all.

    DataError: the record of a download cannot be read.
    """
    record, (own, *_) = fetched.read(fetched.home(card, root)), parts.of(card)
    return record is not None and record.of(own) is not None


def _served(card: Card, root: Path) -> bool:
    """Whether a download put all of the card's own files there, and nobody added a file of rows: none was lost on the way.
    Sizes are looked at, and no contents."""
    home = fetched.home(card, root)
    record, (own, *_) = fetched.read(home), parts.of(card)
    came = record.of(own) if record else None
    if record is None or came is None or not fetched.agrees(own, came) or not fetched.whole(own, home, came):
        return False
    if any(file.unpacked for file in came.files.values()):
        return True  # What came out of an archive stands in no record.
    named = {home / name for one in record.parts() for name in one.files}
    return all(path in named for pattern in card.files.values() for path in alike.files(root, pattern))
