"""What a corpus being written has committed: its shards, where each picture lies, and which sample ids are taken.

SQLite keeps it on disk, so that memory does not grow with the corpus, and makes each commit whole or absent. When the
corpus is finished the picture index alone remains.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TypedDict

from lingshu_train.data.corpus import seen
from lingshu_train.data.corpus.records import Location
from lingshu_train.data.corpus.seen import Seen
from lingshu_train.data.corpus.summary import TallyState
from lingshu_train.errors import CannotCreate, DataError, LingshuError, OutputFailed

INDEX = "images.sqlite"
_TABLES = """
create table if not exists images (
    digest blob primary key, shard integer, offset integer, size integer, width integer, height integer
) without rowid;
create table if not exists ids (hash blob primary key) without rowid;
create table if not exists shards (number integer primary key, state text);
"""
_CACHE_KIB = 65_536
"""64 MiB, which hold the index of a million pictures (51 bytes each), so that finding one reads nothing."""


class State(TypedDict):
    """What a writer needs to go on after a shard: counts, chunks (`jobs`) that are done, bytes of the quarantine."""

    tally: TallyState
    jobs: int
    quarantine: int


class Journal:
    """Open while a corpus is written. Nothing counts until `commit`, which covers everything since the last one."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / f".{INDEX}"
        try:
            self._base = sqlite3.connect(self._path, isolation_level=None, timeout=0)
            self._base.execute(f"pragma cache_size = -{_CACHE_KIB}")
            # Locked until it is closed: a second writer would remove what the first is writing.
            self._base.execute("pragma locking_mode = exclusive")
            self._base.execute("begin immediate")
            for statement in (*_TABLES.split(";"), *seen.TABLES):
                self._base.execute(statement)
        except sqlite3.DatabaseError as fault:
            raise self._failure(fault) from None

    def last(self) -> tuple[int, State] | None:
        """Number and state of the newest committed shard."""
        found = self._base.execute("select number, state from shards order by number desc limit 1").fetchone()
        return (found[0], json.loads(found[1])) if found else None

    def find(self, digest: str) -> Location | None:
        row = self._base.execute(_FIND, (bytes.fromhex(digest),)).fetchone()
        return _location(digest, row) if row else None

    def add(self, location: Location) -> None:
        values = (location.shard, location.offset, location.size, location.width, location.height)
        self._write("insert into images values (?, ?, ?, ?, ?, ?)", (bytes.fromhex(location.digest), *values))

    def claim(self, sample_id: str) -> None:
        """Take an id. Raises DataError where it is taken. 8 bytes of hash: of 5 million ids, two agree once in 10^6 corpora."""
        name = hashlib.blake2b(sample_id.encode(), digest_size=8).digest()
        try:
            self._write("insert into ids values (?)", (name,))
        except sqlite3.IntegrityError:
            raise DataError(
                f"sample {sample_id}: the id occurs twice; ids are unique within a corpus"
            ) from None

    @contextmanager
    def seen(self) -> Iterator[Seen]:
        """What was met of rows that are compared, for as long as it is asked or told; a commit covers it too."""
        try:
            yield Seen(self._base)
        except sqlite3.DatabaseError as fault:
            raise self._failure(fault) from None

    def commit(self, number: int, state: State) -> None:
        """Shard `number` lies on disk whole, and `state` is what the writer needs to go on after it."""
        self._write("insert into shards values (?, ?)", (number, json.dumps(state)))
        self._write("commit", ())
        self._write("begin", ())

    def finish(self) -> None:
        """Keep the picture index alone, under its final name."""
        dropped = (f"drop table {name}" for name in ("ids", "shards", *seen.NAMES))
        for statement in (*dropped, "commit", "vacuum"):
            self._write(statement, ())
        self._base.close()
        self._path.replace(self._path.with_name(INDEX))

    def close(self) -> None:
        self._base.close()

    def _write(self, statement: str, values: Sequence[bytes | int | str]) -> None:
        try:
            self._base.execute(statement, values)
        except sqlite3.IntegrityError:
            raise
        except sqlite3.DatabaseError as fault:
            raise self._failure(fault) from None

    def _failure(self, fault: sqlite3.DatabaseError) -> LingshuError:
        """By what SQLite calls it; the names are its own result codes."""
        name = getattr(fault, "sqlite_errorname", "")
        if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            return CannotCreate(f"{self._path.parent}: in use by another process; wait for it")
        if name.startswith(("SQLITE_FULL", "SQLITE_IOERR")):
            return OutputFailed(f"{self._path}: {fault}; free space and run the same command again")
        if name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_AUTH")):
            return CannotCreate(f"{self._path}: {fault}")
        return OutputFailed(f"{self._path}: {fault}; move its folder away and run the same command again")


class Index:
    """The picture index of a finished corpus, read only; empty where there is none."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / INDEX

    def find(self, digest: str) -> Location | None:
        """Where a picture lies, None where the corpus does not hold it. DataError: the index cannot be read."""
        if not self._path.is_file():
            return None
        try:
            with closing(sqlite3.connect(f"{self._path.resolve().as_uri()}?mode=ro", uri=True)) as base:
                row = base.execute(_FIND, (bytes.fromhex(digest),)).fetchone()
        except sqlite3.DatabaseError as fault:
            raise DataError(f"{self._path}: the index of pictures cannot be read ({fault})") from None
        return _location(digest, row) if row else None


_FIND = "select shard, offset, size, width, height from images where digest = ?"


def _location(digest: str, row: Sequence[int]) -> Location:
    shard, offset, size, width, height = row
    return Location(digest=digest, shard=shard, offset=offset, size=size, width=width, height=height)
