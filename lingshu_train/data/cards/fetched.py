"""What a download left behind: which state of a source lies in a folder, and the sha256 of every file of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from lingshu_train.data.cards.card import Card
from lingshu_train.documents import read_json, there
from lingshu_train.errors import DataError
from lingshu_train.naming import file_digest
from lingshu_train.runs.files import write_json
from lingshu_train.schema import Strict, parse

RECORD = ".lingshu-source.json"


class FetchedFile(Strict):
    """A file as it came. `unpacked`: how many files were taken out of it; such an archive may be deleted."""

    sha256: str
    bytes: int
    unpacked: int = 0


class Fetched(Strict):
    """A data folder that was downloaded. `files`: path below the folder -> file. `date`: day in UTC."""

    kind: str
    name: str
    revision: str
    date: str
    cards: tuple[str, ...]
    files: dict[str, FetchedFile]


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


def whole(card: Card, folder: Path, record: Fetched) -> bool:
    """Whether every file of a finished download is there with its size. Contents are not read."""
    return card.name in record.cards and all(
        file.unpacked or ((folder / name).is_file() and (folder / name).stat().st_size == file.bytes)
        for name, file in record.files.items()
    )


def problems(card: Card, folder: Path, tell: Callable[[str], object]) -> Iterator[str]:
    """Another source or revision than the card's, and files that are gone or have other bytes, one line each.

    `tell` hears the name of every file before it is read.
    """
    record, source = read(folder), card.lingshu.source
    if record is None:
        return
    if (record.kind, record.name) != (source.kind, source.name):
        yield f"{folder}: holds {record.name}, and the card's source is {source.name}; fetch it into another folder"
        return
    if source.revision and record.revision != source.revision:
        yield (
            f"{folder}: holds revision {record.revision}, and the card pins {source.revision}; "
            f"move it away and fetch {card.name} again"
        )
    for name, file in sorted(record.files.items()):
        path = folder / name
        tell(name)
        if not path.is_file():
            if not file.unpacked:
                yield f"{path}: was downloaded and is missing; fetch {card.name} again"
        elif path.stat().st_size != file.bytes or file_digest(path) != file.sha256:
            yield f"{path}: is not the file that was downloaded; move it away and fetch {card.name} again"
