"""What a download left behind: which state of each source lies in a folder, and the sha256 of every file of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

from lingshu_train.data.cards import parts
from lingshu_train.data.cards.card import RECORD, Card
from lingshu_train.data.cards.parts import Part
from lingshu_train.data.cards.source import Unpack
from lingshu_train.documents import read_json, there
from lingshu_train.errors import DataError
from lingshu_train.runs import hashes
from lingshu_train.runs.files import write_json
from lingshu_train.schema import Strict, parse

_AT_ONCE = 512
"""Files that are hashed together, between two steps of a bar."""


class FetchedFile(Strict):
    """A file as it came. `unpacked`: how many files were taken out of it, `into` which folder below its source's (empty: where
    it lies) and whether `flat`; such an archive may be deleted."""

    sha256: str
    bytes: int
    unpacked: int = 0
    into: str = ""
    flat: bool = False

    def done(self, rule: Unpack | None) -> bool:
        """Whether nothing is left to be taken out of it."""
        if rule is None:
            return True
        return bool(self.unpacked) and (self.into, self.flat) == (rule.into, rule.flat)


class FetchedPart(Strict):
    """What came from one source. `date`: day in UTC. `cards`: those that have all they want of it. `files`: path below the data
    folder -> file."""

    kind: str
    name: str
    revision: str
    date: str
    cards: tuple[str, ...]
    files: dict[str, FetchedFile]


class FetchedCompanion(FetchedPart):
    """What came from a companion, into the folder `into`."""

    into: str = ""


class Fetched(FetchedPart):
    """A data folder that was downloaded: what came from the cards' own source, and what from others."""

    companions: tuple[FetchedCompanion, ...] = ()

    def of(self, part: Part) -> FetchedPart | None:
        """What came from the source of a part; None where nothing did, or it came from another one."""
        key = (part.source.kind, part.source.name)
        if part.own:
            return self if (self.kind, self.name) == key else None
        alike = (one for one in self.companions if (one.kind, one.name, one.into) == (*key, part.into))
        return next(alike, None)

    def having(self, part: Part, found: FetchedPart) -> Fetched:
        """The record with what came from a part in the place of what it says of it."""
        if part.own:
            return Fetched(**{**dict(found), "companions": self.companions})
        others = (one for one in self.companions if one is not self.of(part))
        return self.model_copy(
            update={"companions": (*others, FetchedCompanion(**{**dict(found), "into": part.into}))}
        )

    def parts(self) -> Iterator[FetchedPart]:
        yield self
        yield from self.companions


def read(folder: Path) -> Fetched | None:
    """The folder's record; None where nothing was downloaded into it. Not a record: DataError."""
    path = folder / RECORD
    if not there(path):
        return None
    try:
        return parse(Fetched, read_json(path), where=f"{path}:", error=DataError)
    except DataError as fault:
        raise DataError(f"{fault}; move its folder away and fetch it again") from None


def write(folder: Path, record: Fetched) -> None:
    write_json(folder / RECORD, record.model_dump(mode="json"))


def home(card: Card, root: Path) -> Path:
    """The folder with the record, where the rows are read in a folder that lies in it; else `root`."""
    if root.name == Path(card.lingshu.source.folder or card.name).name or there(root / RECORD):
        return root
    return next((one for one in list(root.parents)[:2] if there(one / RECORD)), root)


def agrees(part: Part, found: FetchedPart) -> bool:
    """Whether what came is of the revision that the part wants. Of a part of which nothing came every revision is."""
    wanted = part.source.revision
    return not found.cards or not wanted or found.revision == wanted


def whole(part: Part, folder: Path, found: FetchedPart) -> bool:
    """Whether every file of a finished download is there with its size, and unpacked. Contents are not read."""
    return part.card.name in found.cards and all(
        file.done(part.source.rule(part.below(name)))
        and (file.unpacked or ((folder / name).is_file() and (folder / name).stat().st_size == file.bytes))
        for name, file in found.files.items()
    )


def another(card: Card, folder: Path) -> Iterator[str]:
    """That what was downloaded is of another source or revision than the card's, or not all there with its size, one line each.
    No content is read."""
    folder = home(card, folder)
    record = read(folder)
    if record is None:
        return
    if (record.kind, record.name) != (card.lingshu.source.kind, card.lingshu.source.name):
        yield (
            f"{folder}: holds {record.name}, and the card's source is {card.lingshu.source.name}; fetch it into "
            "another folder"
        )
        return
    for part in parts.of(card):
        found = record.of(part)
        if found and not agrees(part, found):
            yield (
                f"{folder}: holds revision {found.revision} of {part.source.name}, and the card pins "
                f"{part.source.revision}; move it away and fetch {card.name} again"
            )
    for came in record.parts():
        for name, file in sorted(came.files.items()):
            path = folder / name
            if not path.is_file():
                if not file.unpacked:
                    yield f"{path}: was downloaded and is missing; fetch {card.name} again"
            elif path.stat().st_size != file.bytes:
                yield _changed(path, card)


def problems(card: Card, folder: Path, *, again: bool, tell: Callable[[int], object] = id) -> Iterator[str]:
    """The same, and files that have other bytes of the same size. An archive that was unpacked is data no more.

    What was hashed before, and has not been touched since, is not read a second time (`runs.hashes`), unless `again` is said.
    `tell` hears how many files were looked at.
    """
    yield from another(card, folder)
    folder = home(card, folder)
    record = read(folder)
    if record is None or (record.kind, record.name) != (card.lingshu.source.kind, card.lingshu.source.name):
        return
    memory = hashes.Memory(folder)
    came = {
        folder / name: file
        for one in record.parts()
        for name, file in sorted(one.files.items())
        if not file.unpacked
    }
    there = (path for path, file in came.items() if path.is_file() and path.stat().st_size == file.bytes)
    while some := tuple(islice(there, _AT_ONCE)):
        for path, digest in memory.of(some, again=again).items():
            if digest != came[path].sha256:
                yield _changed(path, card)
        tell(len(some))
    memory.keep()


def _changed(path: Path, card: Card) -> str:
    return f"{path}: is not the file that was downloaded; move it away and fetch {card.name} again"
