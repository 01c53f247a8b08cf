"""What has been met, and where, and what was found out about a picture: on disk, so that millions of rows take no memory."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

NAMES = ("seen", "known")
TABLES = (
    "CREATE TABLE IF NOT EXISTS seen (name BLOB PRIMARY KEY, card TEXT, split TEXT, place TEXT) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS known (name BLOB PRIMARY KEY, text TEXT) WITHOUT ROWID",
)
"""What a database of `Seen` must have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Occurrence:
    """Where something was met first. `card` and `split` say which half it belongs to, `where` the file and line."""

    card: str
    split: str
    where: str


@dataclass(frozen=True, slots=True)
class Seen:
    """What was met, by kind of thing. Keys are kept as the first 16 bytes of their sha256: of 10^9, no two agree."""

    database: sqlite3.Connection

    def add(self, kind: str, key: str, here: Occurrence) -> Occurrence | None:
        """Note that `key` was met here. Where it was met before: returns the first occurrence, and notes nothing."""
        name = _name(kind, key)
        values = (name, here.card, here.split, here.where)
        if self.database.execute("INSERT OR IGNORE INTO seen VALUES (?, ?, ?, ?)", values).rowcount:
            return None
        card, split, where = self.database.execute(
            "SELECT card, split, place FROM seen WHERE name = ?", values[:1]
        ).fetchone()
        return Occurrence(card=card, split=split, where=where)

    def remember(self, kind: str, key: str, text: str) -> None:
        """Note what was found out about `key`."""
        self.database.execute("INSERT OR REPLACE INTO known VALUES (?, ?)", (_name(kind, key), text))

    def recall(self, kind: str, key: str) -> str:
        """What was found out about `key`; empty: nothing yet."""
        found = self.database.execute("SELECT text FROM known WHERE name = ?", (_name(kind, key),)).fetchone()
        return str(found[0]) if found else ""


def _name(kind: str, key: str) -> bytes:
    return kind.encode() + b" " + hashlib.sha256(key.encode()).digest()[:16]


@contextmanager
def notebook() -> Iterator[Seen]:
    """An empty one, in a private temporary file that is gone afterwards."""
    with closing(sqlite3.connect("", isolation_level=None)) as database:
        # Nobody needs it after a crash, so nothing is forced to disk; 32 MiB of it stay in memory.
        database.execute("PRAGMA synchronous = OFF")
        database.execute("PRAGMA cache_size = -32768")
        for statement in TABLES:
            database.execute(statement)
        database.execute("BEGIN")
        yield Seen(database)
