"""The journal of a download: which files are whole, kept as long as others are not, and one download of a card at a time."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from filelock import lock_descriptor
from pydantic import TypeAdapter, ValidationError

from lingshu_train.data.cards.card import Card
from lingshu_train.data.cards.fetched import FetchedFile
from lingshu_train.data.cards.parts import Part
from lingshu_train.errors import CannotCreate
from lingshu_train.runs.files import failure

_ENTRY = TypeAdapter(dict[str, FetchedFile])
"""A line of the journal."""
CACHE = ".cache"
"""Where huggingface_hub keeps unfinished files, inside the folder of a source."""
SEPARATOR = "\t"
"""In no name of a source and of no file that is fetched."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Journal:
    """`noted`: the files that this and earlier downloads found whole, by the source's key and their paths below its folder."""

    path: Path
    stream: IO[str]
    noted: dict[str, FetchedFile]

    def note(self, part: Part, name: str, file: FetchedFile) -> None:
        """Write down that a file of a source is whole."""
        self.noted[_key(part) + name] = file
        self.stream.write(json.dumps({_key(part) + name: file.model_dump(mode="json")}) + "\n")
        self.stream.flush()

    def of(self, part: Part) -> dict[str, FetchedFile]:
        """The whole files of a source, by their paths below its folder."""
        key = _key(part)
        found = ((name.removeprefix(key), file) for name, file in self.noted.items() if name.startswith(key))
        return {name: file for name, file in found if SEPARATOR not in name}

    def close(self) -> None:
        """Take it away: nothing is on its way any more."""
        self.path.unlink()


@contextmanager
def opened(card: Card, folder: Path) -> Iterator[Journal]:
    """The journal of a card in its data folder, which is made. Locked; CannotCreate where another process has it."""
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
            yield Journal(path=path, stream=stream, noted=noted)
        except OSError as fault:
            raise failure(path, fault) from None
        finally:
            # Where nothing came, a person may still put the data there by hand.
            if list(folder.iterdir()) == [path]:
                path.unlink()
                folder.rmdir()


def begun(part: Part, data_root: Path) -> bool:
    """Whether an interrupted download has left files of a source: they are then no one's whole set."""
    folder = part.card.folder(data_root)
    try:
        with (folder / part.card.journal).open(encoding="utf-8") as stream:
            noted = dict(_noted(stream))
    except OSError:
        return False
    whole = (name for name in noted if name.startswith(_key(part)))
    return (
        any(not part.own or SEPARATOR not in name for name in whole) or (folder / part.into / CACHE).is_dir()
    )


def _key(part: Part) -> str:
    """What stands before the paths of a companion's files; nothing before those of the card's own source."""
    if part.own:
        return ""
    return f"{part.source.kind} {part.source.name} {part.into}{SEPARATOR}"


def _noted(stream: IO[str]) -> Iterator[tuple[str, FetchedFile]]:
    for line in stream:
        try:
            yield from _ENTRY.validate_json(line).items()
        except ValidationError:
            # A line torn by a kill: its file is looked at again.
            continue
