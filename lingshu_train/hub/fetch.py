"""`lingshu data fetch --yes`: the download of a card's data, source by source, down to the record of what came."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

from lingshu_train.data.cards import card as cards
from lingshu_train.data.cards import fetched, parts
from lingshu_train.data.cards.card import Card
from lingshu_train.data.cards.fetched import Fetched, FetchedFile, FetchedPart
from lingshu_train.data.cards.parts import Part
from lingshu_train.errors import (
    CannotCreate,
    DataError,
    LingshuError,
    MissingInput,
    NotPermitted,
    OutputFailed,
)
from lingshu_train.hub import journal
from lingshu_train.hub.journal import Journal
from lingshu_train.hub.sources._job import Arrived, Job, Offer
from lingshu_train.hub.unpack import unpack
from lingshu_train.naming import component

SOURCES = "lingshu_train.hub.sources"


class Way(Protocol):
    """What a file of hub/sources knows to do. `permit` raises what a person must do first."""

    def offer(self, part: Part) -> Offer: ...

    def permit(self, part: Part) -> None: ...

    def fetch(self, job: Job) -> Arrived: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A line for each source that came or is here. `left`: for each of the others, what went wrong or a person has to do."""

    lines: tuple[str, ...]
    left: tuple[LingshuError, ...]


def way(part: Part) -> Way:
    """Who fetches it, by the kind of its source."""
    where = f"{part.card.where}: source.kind"
    return cast(Way, component(SOURCES, part.source.kind, where=where, error=DataError))


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """How it stands with one source: it is `here`, or `first` is what a person must do, or it can be fetched."""

    part: Part
    here: bool
    first: LingshuError | None


def states(card: Card, data_root: Path, record: Fetched | None) -> tuple[State, ...]:
    """How it stands with each source of a card, by what lies in its folder. Asks no server."""
    return tuple(_state(part, data_root, record) for part in parts.of(card))


def _state(part: Part, data_root: Path, record: Fetched | None) -> State:
    """What the command cannot get and a person has put there counts as it is."""
    if record is not None and _came(part, part.card.folder(data_root), record):
        return State(part=part, here=True, first=None)
    try:
        way(part).permit(part)
    except (NotPermitted, MissingInput) as first:
        here = _placed(part, data_root)
        return State(part=part, here=here, first=None if here else first)
    return State(part=part, here=False, first=None)


def _placed(part: Part, data_root: Path) -> bool:
    """Whether files of it are there, and not from a download that was interrupted."""
    return part.there(data_root) and not journal.begun(part, data_root)


def _came(part: Part, folder: Path, record: Fetched) -> bool:
    """Whether an earlier download got all of it."""
    found = record.of(part)
    return found is not None and fetched.agrees(part, found) and fetched.whole(part, folder, found)


def present(card: Card, data_root: Path) -> bool:
    """Whether there is nothing left to do. Data that a person put there as a whole counts as it is."""
    root = cards.root(card, data_root)
    if root is None or card.lingshu.source.kind == "package":
        return root is not None
    record = fetched.read(root)
    return record is None or all(state.here for state in states(card, data_root, record))


def already(card: Card, data_root: Path) -> str:
    """The line that says so."""
    return f"{card.name}: is here already ({cards.root(card, data_root)})"


def fetch(card: Card, data_root: Path, *, say: Callable[[str], None]) -> Outcome:
    """Download a card's data, or go on with it: of each of its sources all that can be had.

    The data folder counts as present only when everything has come, was checked and unpacked, and what a person has to add
    lies there. CannotCreate: something else lies in the folder. OutputFailed: the disk is full, which ends it.
    """
    if present(card, data_root):
        return Outcome(lines=(already(card, data_root),), left=())
    folder = card.folder(data_root)
    record = _record(card, folder)
    found = states(card, data_root, record)
    lines, left, waiting = list[str](), list[LingshuError](), False
    if all(state.first for state in found):
        # Nothing is made on disk for data of which nothing can be had.
        return Outcome(lines=(), left=tuple(state.first for state in found if state.first))
    with journal.opened(card, folder) as book:
        for state in found:
            part, fault = state.part, state.first
            if not state.here and fault is None:
                try:
                    record = _come(part, folder, record, book, say)
                except OutputFailed:
                    raise
                except NotPermitted as met:
                    fault = None if _placed(part, data_root) else met
                except LingshuError as met:
                    fault = met
            if fault is not None:
                left.append(fault)
                waiting |= not part.by_hand
            else:
                lines.append(_told(part, folder, record))
        if not waiting:
            book.close()
    return Outcome(lines=tuple(lines), left=tuple(left))


def _record(card: Card, folder: Path) -> Fetched | None:
    """What earlier downloads put into the folder. CannotCreate where that is of another source or revision."""
    record, source = fetched.read(folder), card.lingshu.source
    if record is None:
        return None
    wrong = [
        (one, found) for one in parts.of(card) if (found := record.of(one)) and not fetched.agrees(one, found)
    ]
    if (record.kind, record.name) == (source.kind, source.name) and not wrong:
        return record
    wanted, found = wrong[0] if wrong else (parts.of(card)[0], record)
    raise CannotCreate(
        f"{folder}: holds {found.name} at {found.revision or 'no revision'}, and {wanted.label} is {wanted.source.name} "
        f"at {wanted.source.revision or 'no revision'}; move the folder away, or fetch into another --data-root"
    )


def _come(
    part: Part, folder: Path, record: Fetched | None, book: Journal, say: Callable[[str], None]
) -> Fetched:
    """Fetch one source, unpack its archives and write down what came. Returns the record with it."""
    before = record.of(part) if record else None
    earlier = {part.below(name): file for name, file in before.files.items()} if before else {}
    with _made(folder, part.into) as place:
        job = Job(
            part=part,
            folder=place,
            revision=part.source.revision or (before.revision if before else ""),
            kept={**earlier, **book.of(part)},
            others=_others(part, record, book),
            note=lambda name, file: book.note(part, name, file),
            say=say,
        )
        arrived = way(part).fetch(job)
        files = {part.within(name): file for name, file in _unpacked(job, arrived.files)}
    found = FetchedPart(
        kind=part.source.kind,
        name=part.source.name,
        revision=arrived.revision,
        date=time.strftime("%Y-%m-%d", time.gmtime()),
        cards=tuple(sorted({part.card.name, *(before.cards if before else ())})),
        files={**(before.files if before else {}), **files},
    )
    # Read anew: another card that shares the folder may have written meanwhile.
    made = (fetched.read(folder) or _empty(part.card)).having(part, found)
    fetched.write(folder, made)
    return made


@contextmanager
def _made(folder: Path, into: str) -> Iterator[Path]:
    """The folder of a source, made where it was not there. Where nothing comes into it, it goes again."""
    place = folder / into
    new = [one for one in (place, *place.parents) if one.is_relative_to(folder) and not one.exists()]
    place.mkdir(parents=True, exist_ok=True)
    try:
        yield place
    finally:
        for one in new:
            if not any(one.iterdir()):
                one.rmdir()


def _others(part: Part, record: Fetched | None, book: Journal) -> frozenset[str]:
    """The files that other sources of the card have put there, by their paths below the data folder."""
    return frozenset(
        name
        for one in parts.of(part.card)
        if one != part
        for found in [record.of(one) if record else None]
        for name in [*(found.files if found else ()), *map(one.within, book.of(one))]
    )


def _empty(card: Card) -> Fetched:
    """The record of a folder into which nothing has come from the card's own source."""
    source = card.lingshu.source
    return Fetched(kind=source.kind, name=source.name, revision="", date="", cards=(), files={})


def _told(part: Part, folder: Path, record: Fetched | None) -> str:
    """The line that says what lies there."""
    found, place = record.of(part) if record else None, folder / part.into
    if found is None or part.card.name not in found.cards:
        return f"{part.label}: is here already, put there by hand ({place})"
    size = sum(file.bytes for file in found.files.values())
    at = f" at {found.revision}" if found.revision else ""
    return f"{part.label}: {len(found.files):,} files, {size:,} bytes of {part.source.name}{at} in {place}"


def _unpacked(job: Job, files: Mapping[str, FetchedFile]) -> Iterator[tuple[str, FetchedFile]]:
    """Unpack the archives that the card says, and count what came out of each."""
    for name, file in files.items():
        rule = job.part.source.rule(name)
        if rule is not None and not file.done(rule):
            archive = job.folder / name
            say_into = f" into {rule.into}" if rule.into else ""
            job.say(f"{job.part.label}: unpacking {name}{say_into}")
            count = unpack(archive, job.folder / rule.into if rule.into else None, flat=rule.flat)
            file = file.model_copy(update={"unpacked": count, "into": rule.into, "flat": rule.flat})
            job.note(name, file)
        yield name, file
