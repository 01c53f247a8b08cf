"""Every reply that was paid for, by the hash of its request: in SQLite, on disk before anybody reads it."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lingshu_train.errors import DataError, OutputFailed
from lingshu_train.runs.files import failure

_TABLE = """
create table if not exists replies (
    key text primary key, stage text not null, step text not null, text text not null, finish text not null,
    tokens_in integer not null, tokens_out integer not null, money real not null, model text not null,
    refused integer not null, tries integer not null
) without rowid
"""
_SENT = """
create table if not exists batches (
    token text primary key, stage text not null, url text not null, steps text not null, id text not null,
    client text not null default '', tokens integer not null default 0, money real not null default 0
) without rowid
"""
"""Batches that are under way."""
_LATER = {
    "client": "text not null default ''",
    "tokens": "integer not null default 0",
    "money": "real not null default 0",
}
"""Columns of batches that files of earlier versions lack."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A batch that is under way, or was about to be: then its `id` is empty, and the server may know its `token`. `steps`: of
    each request, by its hash, the step and whether it is held to a form, as JSON. `client`: who sent it (role, model,
    revision); empty where an earlier version did, which wrote no name. `tokens`, `money`: the most that it may cost."""

    token: str
    stage: str
    url: str
    steps: str
    id: str = ""
    client: str = ""
    tokens: int = 0
    money: float = 0.0

    def called(self, number: str) -> Sent:
        return replace(self, id=number)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a teacher said to a request. `refused`: the server will not answer it; then `text` says why. `tries`: how often it
    was sent. `model`: what the server calls itself."""

    text: str
    finish: str = "stop"
    tokens_in: int = 0
    tokens_out: int = 0
    money: float = 0.0
    model: str = ""
    refused: bool = False
    tries: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """Tokens, both ways, and money."""

    tokens: int = 0
    money: float = 0.0


class Cache:
    """Used by many threads; two processes may use one file."""

    def __init__(self, path: Path, *, looking: bool = False) -> None:
        """`looking`: nothing is written, and the file has to be there."""
        self.path, self._lock = path, threading.Lock()
        try:
            if looking:
                where = f"{path.absolute().as_uri()}?mode=ro"
                self._base = sqlite3.connect(where, uri=True, check_same_thread=False, timeout=5)
                return
            path.parent.mkdir(parents=True, exist_ok=True)
            self._base = sqlite3.connect(path, check_same_thread=False, timeout=60, isolation_level=None)
            self._base.execute("pragma journal_mode=wal")
            # A reply is paid for: it has to outlast a loss of power, not only a kill.
            self._base.execute("pragma synchronous=full")
            self._base.execute(_TABLE)
            self._base.execute(_SENT)
            self._widen()
        except OSError as fault:
            raise failure(path, fault) from None
        except sqlite3.Error as fault:
            raise self._fault(fault) from None

    def find(self, key: str) -> Reply | None:
        rows = self._rows(
            "select text, finish, tokens_in, tokens_out, money, model, refused, tries from replies where key = ?",
            key,
        )
        if not rows:
            return None
        text, finish, tokens_in, tokens_out, money, model, refused, tries = rows[0]
        return Reply(
            text=text,
            finish=finish,
            tokens_in=tokens_in,
            tokens_out=tokens_out,
            money=money,
            model=model,
            refused=bool(refused),
            tries=tries,
        )

    def keep(self, key: str, reply: Reply, *, stage: str, step: str) -> None:
        """On disk when this returns."""
        own = (reply.tokens_in, reply.tokens_out, reply.money, reply.model, reply.refused, reply.tries)
        with self._lock:
            try:
                self._base.execute(
                    "insert or ignore into replies values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    (key, stage, step, reply.text, reply.finish, *own),
                )
            except sqlite3.Error as fault:
                raise self._fault(fault) from None

    def note(self, sent: Sent) -> None:
        """On disk when this returns."""
        self._change(
            "insert or replace into batches (token, stage, url, steps, id, client, tokens, money) "
            "values (?, ?, ?, ?, ?, ?, ?, ?)",
            (sent.token, sent.stage, sent.url, sent.steps, sent.id, sent.client, sent.tokens, sent.money),
        )

    def forget(self, sent: Sent) -> None:
        """All that it brought is kept."""
        self._change("delete from batches where token = ?", (sent.token,))

    def under_way(self, stage: str) -> list[Sent]:
        """The batches of a stage, oldest name first."""
        names = ("token", "stage", "url", "steps", "id", "client", "tokens", "money")
        rows = self._rows(f"select {', '.join(names)} from batches where stage = ? order by token", stage)
        return [Sent(**dict(zip(names, row, strict=True))) for row in rows]

    def _widen(self) -> None:
        """A file of an earlier version gets the columns that it lacks; another process may do the same now."""
        self._base.execute("begin immediate")
        there = {row[1] for row in self._base.execute("pragma table_info(batches)")}
        for name, kind in _LATER.items():
            if name not in there:
                self._base.execute(f"alter table batches add column {name} {kind}")
        self._base.execute("commit")

    def _rows(self, order: str, *values: str) -> list[tuple[Any, ...]]:
        with self._lock:
            try:
                return self._base.execute(order, values).fetchall()
            except sqlite3.Error as fault:
                raise self._fault(fault) from None

    def _change(self, order: str, values: tuple[str | int | float, ...]) -> None:
        with self._lock:
            try:
                self._base.execute(order, values)
            except sqlite3.Error as fault:
                raise self._fault(fault) from None

    def spent(self, stage: str) -> Spent:
        """What the replies to a stage's requests have cost."""
        (row,) = self._rows(
            "select coalesce(sum(tokens_in + tokens_out), 0), coalesce(sum(money), 0) from replies where stage = ?",
            stage,
        )
        return Spent(tokens=row[0], money=row[1])

    def written(self) -> Mapping[str, float]:
        """Mean tokens of the replies to each step."""
        rows = self._rows("select step, avg(tokens_out) from replies where refused = 0 group by step")
        return {step: float(mean) for step, mean in rows}

    def close(self) -> None:
        self._base.close()

    def _fault(self, fault: sqlite3.Error) -> DataError | OutputFailed:
        if isinstance(fault, sqlite3.OperationalError):
            return OutputFailed(
                f"{self.path}: replies cannot be kept ({fault}); free space or name another `cache`"
            )
        return DataError(
            f"{self.path}: the kept replies cannot be read ({fault}); restore the file, or name another `cache` to ask again"
        )
