"""What of a card's rows stands in two splits: patients (groups) and picture files, for whoever prepares or checks them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from lingshu_train.data.corpus.seen import Occurrence, Seen
from lingshu_train.data.rows.row import Picture
from lingshu_train.naming import file_digest
from lingshu_train.record import Sample


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """Where a row stands, and the pictures of it: name, and sha256 of the undecoded file."""

    where: str
    pictures: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Met:
    """A group (`group 'p1'`) or a picture of a row, which another split had first."""

    what: str
    here: Occurrence
    first: Occurrence

    def __str__(self) -> str:
        return f"{self.here.where}: {self.what} is in split {self.first.split} too ({self.first.where})"


def group(seen: Seen, here: Occurrence, name: str) -> Met | None:
    """A row's group, where another split had it first."""
    first = seen.add(kind("group", here.card), name, here) if name else None
    return _met(f"group {name!r}", here, first)


def picture(seen: Seen, here: Occurrence, *, name: str, digest: str) -> Met | None:
    """A row's picture, where another split had it first."""
    return _met(f"picture {name}", here, seen.add(kind("picture", here.card), digest, here))


def crossed(seen: Seen, sample: Sample, row: Compared) -> Iterator[Met]:
    """All of a row that another split had first."""
    here = Occurrence(card=sample.card, split=sample.split, where=row.where)
    found = [group(seen, here, sample.group)]
    found += [picture(seen, here, name=name, digest=digest) for name, digest in row.pictures]
    yield from filter(None, found)


def kind(what: str, card: str) -> str:
    """Groups and pictures of one card: two cards may give their patients the same numbers."""
    return f"{what} of {card}"


def digest(picture: Picture) -> str:
    """sha256 of a picture's undecoded file. Of a volume whose slices are pictures it is taken once."""
    if picture.data or picture.path is None:
        return hashlib.sha256(picture.data).hexdigest()
    now = picture.path.stat()
    return _of_file(picture.path, now.st_size, now.st_mtime_ns)


@lru_cache(maxsize=64)
def _of_file(path: Path, size: int, changed: int) -> str:
    return file_digest(path)


def _met(what: str, here: Occurrence, first: Occurrence | None) -> Met | None:
    if first is None or first.split == here.split:
        return None
    return Met(what=what, here=here, first=first)
