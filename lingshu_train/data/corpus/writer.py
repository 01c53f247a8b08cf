"""Writes a corpus shard by shard: a crash loses the shard being written and nothing else.

A shard is two files, renamed into place when whole, and one commit of the journal. What the journal does not name is
removed when writing goes on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from lingshu_train.data.corpus import leaks, shards
from lingshu_train.data.corpus.journal import Journal, State
from lingshu_train.data.corpus.leaks import Compared
from lingshu_train.data.corpus.records import Location
from lingshu_train.data.corpus.seen import Seen
from lingshu_train.data.corpus.shards import Tar
from lingshu_train.data.corpus.stated import Counted
from lingshu_train.data.corpus.summary import SUMMARY, Summary, Tally
from lingshu_train.model.shape import PictureBudget
from lingshu_train.naming import canonical, digest
from lingshu_train.record import Sample
from lingshu_train.runs.files import failure, sync, write_json

QUARANTINE = "quarantine.jsonl"
KEPT, REFUSED, STATED, LEFT = "split/kept", "split/refused", "split/stated", "split/left/"
"""Tables of a tally by card and split (`_part`): rows that are kept; that are refused; that the card leaves out, and counts
among its own. The last is the beginning of a table for each: what is left out, by reason."""
LEAK = "leak/"
"""The beginning of a table of a tally for each card of which something stands in two splits: the first such thing."""
SEEN = "seen/"
"""The beginning of a table for each card of what is called or lies otherwise than it says, in its rows."""
SHARD_BYTES = 1_000_000_000
"""Of pictures: small enough that a crash costs minutes, large enough that millions of rows are some hundred files."""
SHARD_ROWS = 50_000
"""Of text alone. They are held in memory until the shard is written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPicture:
    """A picture as the corpus keeps it: an encoded file, its sha256, the suffix of such a file (`.png`), its size in pixels.

    `whole` is the size before it was fitted to the budget; `moved`: its pixels lie elsewhere than in its file.
    """

    data: bytes
    digest: str
    suffix: str
    width: int
    height: int
    whole: tuple[int, int]
    moved: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A sample and its pictures, ready to be stored. `notes`: what of the publisher's row is not in it, in a few words each.
    `own`, here and below: its split by the card's own name, empty for a question. `compared`: what other splits are held
    against, where they are. `told`: what is called or lies otherwise than the card says."""

    sample: Sample
    pictures: tuple[StoredPicture, ...] = ()
    notes: tuple[str, ...] = ()
    own: str = ""
    compared: Compared | None = None
    told: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A row that is not in the corpus: `where` it stands (file and line; of a question the sample's id) and why."""

    card: str
    where: str
    reason: str
    kind: str
    """The reason in a few words, the same for all rows refused for it."""
    own: str = ""

    def __str__(self) -> str:
        return self.reason if self.reason.startswith(self.where) else f"{self.where}: {self.reason}"


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A row that the card itself skips, and why, in a few words. `stated`: it is one of those that the card states. Of a row
    that is left out because the data is not here, `where` it stands and what is `told` of it."""

    card: str
    reason: str
    stated: bool = True
    where: str = ""
    told: str = ""
    own: str = ""

    def __str__(self) -> str:
        return self.told if self.told.startswith(self.where) else f"{self.where}: {self.told}"


Outcome = Kept | Refused | LeftOut


class Writer:
    """Takes the results of numbered chunks in order. `done` is how many it has taken, and at first how many are on disk
    already: skip these. `committed`: how many are on disk for good."""

    def __init__(
        self, folder: Path, *, shard_bytes: int | None = None, shard_rows: int | None = None
    ) -> None:
        self.folder, self._bytes, self._most = folder, shard_bytes or SHARD_BYTES, shard_rows or SHARD_ROWS
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as fault:
            raise failure(folder, fault) from None
        self._journal = Journal(folder)
        self._tally, self.done, quarantined = Tally(), 0, 0
        last = self._journal.last()
        if last:
            state = last[1]
            self._tally, self.done, quarantined = Tally(**state["tally"]), state["jobs"], state["quarantine"]
        self.committed = self.done
        self._shard = last[0] + 1 if last else 0
        self._clean(quarantined)
        self._rows: list[tuple[Sample, tuple[Location, ...]]] = []
        self._tar: Tar | None = None
        self._last: dict[str, str] = {}

    def counts(self, what: str) -> Mapping[str, int]:
        """So far: `cards` kept, `refused/cards`, or `cards/skipped`."""
        return self._tally.counts.get(what, {})

    def counted(self, card: str, own: str) -> Counted:
        """The rows of a card's split so far."""
        part = _part(card, own)
        kept, refused, missed = (self.counts(what).get(part, 0) for what in (KEPT, REFUSED, STATED))
        return Counted(
            kept=kept,
            refused=refused,
            missed=missed,
            skipped=self.counts(LEFT + part),
            last=self._last.get(part, ""),
        )

    def leak(self, card: str) -> str:
        """The first thing of a card that was met in two splits of the corpus; empty where none was."""
        return next(iter(self.counts(f"{LEAK}{card}")), "")

    def otherwise(self, card: str) -> Mapping[str, int]:
        """What of a card is called or lies otherwise than it says, by rows so far."""
        return self.counts(f"{SEEN}{card}")

    def seen(self) -> AbstractContextManager[Seen]:
        """What of the rows that are compared was met so far."""
        return self._journal.seen()

    @property
    def images(self) -> int:
        """Pictures stored so far."""
        return self._tally.images

    def add(self, outcomes: Iterable[Outcome]) -> None:
        """What came of the next chunk. A shard ends between two chunks."""
        try:
            for outcome in outcomes:
                if isinstance(outcome, Kept):
                    self._keep(outcome)
                elif isinstance(outcome, LeftOut):
                    self._skip(outcome)
                else:
                    self._refuse(outcome)
            self.done += 1
            if len(self._rows) >= self._most or (self._tar and self._tar.size >= self._bytes):
                self._commit()
        except OSError as fault:
            raise failure(self.folder, fault) from None

    def finish(
        self,
        *,
        licences: Mapping[str, str],
        budget: PictureBudget,
        control_tokens: Iterable[str] = (),
        layouts: Mapping[str, str] | None = None,
        differs: Mapping[str, str] | None = None,
    ) -> Summary:
        """Close the last shard and write corpus.json. `control_tokens`: what no text of its rows holds. `layouts`: which
        was read, of cards that know several. `differs`: of cards whose data is not what they state, how."""
        try:
            self._commit()
            self._journal.finish()
        except OSError as fault:
            raise failure(self.folder, fault) from None
        tally = self._tally
        summary = Summary(
            **tally.table(),
            licences=dict(licences),
            refused=tally.counts.get("refused", {}),
            skipped=tally.tables("skipped"),
            notes=tally.tables("notes"),
            shards=tuple(tally.shards),
            max_pixels=budget.max_pixels,
            grid=budget.grid,
            control_tokens=tuple(control_tokens),
            layouts=dict(layouts or {}),
            differs=dict(differs or {}),
            fingerprint=digest(tally.digests),
        )
        write_json(self.folder / SUMMARY, summary.model_dump(mode="json"))
        return summary

    def close(self) -> None:
        """Leave without finishing; the next Writer on this folder goes on from the last commit."""
        if self._tar:
            self._tar.abandon()
        self._journal.close()

    def _keep(self, kept: Kept) -> None:
        self._journal.claim(kept.sample.id)
        self._rows.append((kept.sample, tuple(self._stored(picture) for picture in kept.pictures)))
        self._tally.sample(kept.sample)
        self._tally.count(KEPT, _part(kept.sample.card, kept.own))
        if kept.compared:
            with self._journal.seen() as seen:
                for met in leaks.crossed(seen, kept.sample, kept.compared):
                    if not self.leak(kept.sample.card):
                        self._tally.count(f"{LEAK}{kept.sample.card}", str(met))
        for one in kept.told:
            self._tally.count(f"{SEEN}{kept.sample.card}", one)
        self._tally.note(kept.sample.card, kept.notes)

    def _stored(self, picture: StoredPicture) -> Location:
        known = self._journal.find(picture.digest)
        if known:
            return known
        self._tar = self._tar or Tar(self._temporary(shards.images_name(self._shard)), self._shard)
        name = f"{picture.digest}{picture.suffix}"
        location = self._tar.add(
            name, picture.data, digest=picture.digest, size=(picture.width, picture.height)
        )
        self._journal.add(location)
        self._tally.images += 1
        self._tally.image_bytes += location.size
        return location

    def _skip(self, left: LeftOut) -> None:
        self._tally.skip(left.card, left.reason)
        self._tally.count(LEFT + _part(left.card, left.own), left.reason)
        if left.stated:
            self._tally.count(STATED, _part(left.card, left.own))
        if left.told:
            self._put_aside(Refused(card=left.card, where=left.where, reason=left.told, kind=left.reason))

    def _put_aside(self, row: Refused) -> None:
        with (self.folder / QUARANTINE).open("a", encoding="utf-8") as stream:
            told = {key: value for key, value in asdict(row).items() if key != "own"}
            stream.write(canonical(told) + "\n")

    def _refuse(self, refused: Refused) -> None:
        self._put_aside(refused)
        self._last[_part(refused.card, refused.own)] = str(refused)
        self._tally.count(REFUSED, _part(refused.card, refused.own))
        self._tally.count("refused", refused.kind)
        self._tally.count("refused/cards", refused.card)

    def _commit(self) -> None:
        if not self._rows and self._shard:
            return
        if self._tar:
            self._tar.close()
            self._rename(shards.images_name(self._shard))
            self._tar = None
        name = shards.rows_name(self._shard)
        shards.write_rows(self._temporary(name), self._rows)
        self._rename(name)
        sync(self.folder)
        self._tally.shards.append(len(self._rows))
        self._tally.digests.append(_digest(self._rows))
        quarantine = self.folder / QUARANTINE
        if quarantine.is_file():
            sync(quarantine)
        state: State = {
            "tally": self._tally.state(),
            "jobs": self.done,
            "quarantine": quarantine.stat().st_size if quarantine.is_file() else 0,
        }
        self._journal.commit(self._shard, state)
        self.committed = self.done
        self._shard += 1
        self._rows = []

    def _clean(self, quarantined: int) -> None:
        """Remove what was written after the last commit."""
        for pattern in ("rows-*.arrow", "images-*.tar", ".rows-*", ".images-*.tar"):
            for path in self.folder.glob(pattern):
                if path.name.startswith(".") or int(path.stem.rpartition("-")[2]) >= self._shard:
                    path.unlink()
        quarantine = self.folder / QUARANTINE
        if quarantine.is_file():
            with quarantine.open("r+b") as stream:
                stream.truncate(quarantined)

    def _temporary(self, name: str) -> Path:
        return self.folder / f".{name}"

    def _rename(self, name: str) -> None:
        self._temporary(name).replace(self.folder / name)


_FIELDS = tuple(one.name for one in fields(Sample))


def _part(card: str, own: str) -> str:
    return f"{card} {own}"


def _digest(rows: list[tuple[Sample, tuple[Location, ...]]]) -> str:
    """sha256 of the rows of a shard with the hashes of their pictures."""
    found = hashlib.sha256()
    for sample, locations in rows:
        record = {name: getattr(sample, name) for name in _FIELDS}
        record["images"] = [location.digest for location in locations]
        for name in ("system", "parents", "tags"):
            if not record[name]:
                del record[name]  # Corpora without any keep their fingerprints.
        found.update((canonical(record) + "\n").encode())
    return found.hexdigest()
