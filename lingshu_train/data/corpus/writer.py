"""Writes a corpus shard by shard: a crash loses the shard being written and nothing else.

A shard is two files, renamed into place when whole, and one commit of the journal. What the journal does not name is
removed when writing goes on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from lingshu_train.data.corpus import shards
from lingshu_train.data.corpus.journal import Journal, State
from lingshu_train.data.corpus.records import Location
from lingshu_train.data.corpus.shards import Tar
from lingshu_train.data.corpus.summary import SUMMARY, Summary, Tally
from lingshu_train.model.shape import PictureBudget
from lingshu_train.naming import canonical, digest
from lingshu_train.record import Sample
from lingshu_train.runs.files import failure, sync, write_json

QUARANTINE = "quarantine.jsonl"
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
    """A sample and its pictures, ready to be stored."""

    sample: Sample
    pictures: tuple[StoredPicture, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A row that is not in the corpus: `where` it stands (file and line, or sample id) and why."""

    card: str
    where: str
    reason: str
    kind: str
    """The reason in a few words, the same for all rows refused for it."""


Outcome = Kept | Refused


class Writer:
    """Takes the results of numbered chunks in order. `done` is how many of them are on disk already: skip these."""

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
        self._shard = last[0] + 1 if last else 0
        self._clean(quarantined)
        self._rows: list[tuple[Sample, tuple[Location, ...]]] = []
        self._tar: Tar | None = None
        self._last = ""

    def counts(self, what: str) -> Mapping[str, int]:
        """So far: `cards` kept, or `refused/cards`."""
        return self._tally.counts.get(what, {})

    @property
    def last_refused(self) -> str:
        """Where and why of the latest refusal of this run."""
        return self._last

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
                else:
                    self._refuse(outcome)
            self.done += 1
            if len(self._rows) >= self._most or (self._tar and self._tar.size >= self._bytes):
                self._commit()
        except OSError as fault:
            raise failure(self.folder, fault) from None

    def finish(
        self, *, licences: Mapping[str, str], budget: PictureBudget, control_tokens: Iterable[str] = ()
    ) -> Summary:
        """Close the last shard and write corpus.json. `control_tokens`: what no text of its rows holds."""
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
            shards=tuple(tally.shards),
            max_pixels=budget.max_pixels,
            grid=budget.grid,
            control_tokens=tuple(control_tokens),
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

    def _refuse(self, refused: Refused) -> None:
        with (self.folder / QUARANTINE).open("a", encoding="utf-8") as stream:
            stream.write(canonical(asdict(refused)) + "\n")
        self._last = (
            refused.reason
            if refused.reason.startswith(refused.where)
            else f"{refused.where}: {refused.reason}"
        )
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


def _digest(rows: list[tuple[Sample, tuple[Location, ...]]]) -> str:
    """sha256 of the rows of a shard with the hashes of their pictures."""
    found = hashlib.sha256()
    for sample, locations in rows:
        record = asdict(sample) | {"images": [location.digest for location in locations]}
        found.update((canonical(record) + "\n").encode())
    return found.hexdigest()
