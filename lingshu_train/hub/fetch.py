"""`lingshu data fetch`: what a download would bring, and the download, down to the record of what came."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Protocol, cast

from filelock import lock_descriptor
from pydantic import TypeAdapter, ValidationError

from lingshu_train.data.cards import card as cards
from lingshu_train.data.cards import fetched, patterns
from lingshu_train.data.cards.card import Card
from lingshu_train.data.cards.fetched import Fetched, FetchedFile
from lingshu_train.errors import CannotCreate, DataError, MissingInput, NotPermitted
from lingshu_train.hub.sources._job import Arrived, Job, Offer
from lingshu_train.hub.unpack import unpack
from lingshu_train.naming import component
from lingshu_train.runs.files import failure

SOURCES = "lingshu_train.hub.sources"
_ENTRY = TypeAdapter(dict[str, FetchedFile])
"""A line of the journal."""


class Source(Protocol):
    """What a file of hub/sources knows to do. `permit` raises what a person must do first."""

    def offer(self, card: Card) -> Offer: ...

    def permit(self, card: Card) -> None: ...

    def fetch(self, job: Job) -> Arrived: ...


def offer(card: Card, data_root: Path) -> str:
    """What would be downloaded from where, one fact a line, with what a person must do first. Asks no server."""
    source, folder = card.lingshu.source, card.folder(data_root)
    if _present(card, data_root):
        return f"{card.name}: is here already ({cards.root(card, data_root)})"
    way, licence = _source(card), card.lingshu.licence
    found = way.offer(card)
    unpinned = "not pinned: today's will be fetched and written down"
    facts = {
        "source": f"{source.kind} {', '.join((source.name, *source.also))}",
        "revision": source.revision or (unpinned if card.unpinned else "none"),
        "licence": str(licence),
        "files": found.what,
        "size": "not known before" if found.size is None else f"{found.size:,} bytes",
        "unpack": ", ".join(source.unpack) or "nothing",
        "into": str(folder),
    }
    try:
        way.permit(card)
    except (NotPermitted, MissingInput) as first:
        facts["first"] = str(first).removeprefix(f"{card.name}: ")
    return "\n".join([card.name, *(f"  {name:<9} {value}" for name, value in facts.items())])


def fetch(card: Card, data_root: Path, *, say: Callable[[str], None]) -> str:
    """Download a card's data, or go on with it. Returns the line that says what lies where.

    The data folder counts as present only when everything has come, was checked and unpacked. NotPermitted and
    MissingInput say what a person must do first.
    """
    if _present(card, data_root):
        return f"{card.name}: is here already ({cards.root(card, data_root)})"
    source, folder, way = card.lingshu.source, card.folder(data_root), _source(card)
    way.permit(card)
    record = _record(card, folder)
    with _journal(card, folder) as (journal, noted):

        def note(name: str, file: FetchedFile) -> None:
            journal.write(json.dumps({name: file.model_dump(mode="json")}) + "\n")
            journal.flush()

        kept = {**(record.files if record else {}), **noted}
        revision = source.revision or (record.revision if record else "")
        job = Job(card=card, folder=folder, revision=revision, kept=kept, note=note, say=say)
        arrived = way.fetch(job)
        files = dict(_unpacked(job, arrived.files))
        fetched.write(
            folder,
            Fetched(
                kind=source.kind,
                name=source.name,
                revision=arrived.revision,
                date=time.strftime("%Y-%m-%d", time.gmtime()),
                cards=tuple(sorted({card.name, *(record.cards if record else ())})),
                files={**(record.files if record else {}), **files},
            ),
        )
        (folder / card.journal).unlink()
    size = sum(file.bytes for file in files.values())
    at = f" at {arrived.revision}" if arrived.revision else ""
    return f"{card.name}: {len(files):,} files, {size:,} bytes of {source.name}{at} in {folder}"


def _source(card: Card) -> Source:
    where = f"{card.where}: source.kind"
    return cast(Source, component(SOURCES, card.lingshu.source.kind, where=where, error=DataError))


def _present(card: Card, data_root: Path) -> bool:
    """Whether there is nothing left to do. Data that a person put there counts as it is."""
    root = cards.root(card, data_root)
    if root is None or card.lingshu.source.kind == "package":
        return root is not None
    record = fetched.read(root)
    return record is None or (_agrees(card, record) and fetched.whole(card, root, record))


def _agrees(card: Card, record: Fetched) -> bool:
    source = card.lingshu.source
    return (record.kind, record.name) == (source.kind, source.name) and (
        record.revision == source.revision or not source.revision
    )


def _record(card: Card, folder: Path) -> Fetched | None:
    """What an earlier download put into the folder. CannotCreate where that is another source or revision."""
    record = fetched.read(folder)
    if record is not None and not _agrees(card, record):
        source = card.lingshu.source
        raise CannotCreate(
            f"{folder}: holds {record.name} at {record.revision or 'no revision'}, and {card.name} is {source.name} "
            f"at {source.revision or 'no revision'}; move the folder away, or fetch into another --data-root"
        )
    return record


@contextmanager
def _journal(card: Card, folder: Path) -> Iterator[tuple[IO[str], Mapping[str, FetchedFile]]]:
    """The list of files that are whole, kept as long as others are not. Locked: one download of a card at a time."""
    path = folder / card.journal
    try:
        folder.mkdir(parents=True, exist_ok=True)
        stream = path.open("a+", encoding="utf-8")
    except OSError as fault:
        raise failure(path, fault) from None
    with stream:
        # A file without a name is one that its holder has just done with and deleted: a lock on it keeps nobody out.
        if not lock_descriptor(stream.fileno(), blocking=False) or not os.fstat(stream.fileno()).st_nlink:
            raise CannotCreate(f"{folder}: another process is fetching {card.name}; wait for it")
        try:
            stream.seek(0)
            noted = dict(_noted(stream))
            stream.write("\n")
            yield stream, noted
        except OSError as fault:
            raise failure(path, fault) from None
        finally:
            # Where nothing came, a person may still put the data there by hand.
            if list(folder.iterdir()) == [path]:
                path.unlink()
                folder.rmdir()


def _noted(stream: IO[str]) -> Iterator[tuple[str, FetchedFile]]:
    for line in stream:
        try:
            yield from _ENTRY.validate_json(line).items()
        except ValidationError:
            # A line torn by a kill: its file is looked at again.
            continue


def _unpacked(job: Job, files: Mapping[str, FetchedFile]) -> Iterator[tuple[str, FetchedFile]]:
    """Unpack the archives that the card says, and count what came out of each."""
    for name, file in files.items():
        if not file.unpacked and patterns.match(name, job.card.lingshu.source.unpack):
            job.say(f"{job.card.name}: unpacking {name}")
            file = file.model_copy(update={"unpacked": unpack(job.folder / name)})
            job.note(name, file)
        yield name, file
