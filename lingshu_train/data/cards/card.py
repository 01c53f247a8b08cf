"""Data cards: one Markdown file per data set, YAML front matter for machines, a body for readers.

The `lingshu:` block of the front matter is strict; every other key is the Hugging Face hub's own.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

import yaml
from pydantic import Field, JsonValue, model_validator

from lingshu_train import environment
from lingshu_train.data.cards import folders, patterns
from lingshu_train.documents import not_yaml, read_text
from lingshu_train.errors import DataError, RecipeError
from lingshu_train.naming import digest
from lingshu_train.schema import Language, Modality, Strict, parse

INFORMS: Mapping[str, set[str] | bool] = {
    "source": {"how_to_get", "url", "folder", "files", "also", "include", "unpack"},
    **dict.fromkeys(("problems", "overlaps", "used_in", "creators", "citations", "year"), True),
}

Access = Literal["open", "gated", "credentialed", "local"]
Role = Literal["training", "benchmark", "demonstration"]


class Licence(Strict):
    """What the owner allows. What follows from it is decided in licences.py."""

    id: str
    """SPDX identifier, or a name of our own in lower case."""
    name: str = ""
    """The licence's full name, where the id does not say it."""
    unverified: bool = False
    """Not read at the source: what it allows then counts as not known."""
    redistribute: bool | None = None
    """Whether the data may be passed on; none: not known."""
    derive_weights: bool | None = None
    """Whether weights trained on it may be published; none: not known."""
    third_party_api: bool | None = None
    """Whether its text and pictures may be sent to services of others; none: not known."""
    commercial: bool | None = None
    """Whether commercial use is allowed; none: not known."""

    def __str__(self) -> str:
        return self.id + (" (not read at the source)" if self.unverified else "")


class RemoteFile(Strict):
    """A file at a web address."""

    url: str
    """The file's web address."""
    path: str = ""
    """Where it goes below the data folder; empty: the address's last part."""
    sha256: str = ""
    """Its checksum, where it is known."""
    bytes: int | None = None
    """Its size, where it is known."""

    @property
    def place(self) -> str:
        return self.path or unquote(urlsplit(self.url).path.rpartition("/")[2])


class Source(Strict):
    """Where the data comes from, and what is fetched of it."""

    kind: Literal["package", "hub", "http", "physionet", "local"]
    """Where the data comes from: an installed Python package, the Hugging Face Hub, web addresses, PhysioNet, or a
    folder that you fill."""
    name: str
    """Its name there: the package, the repository (`owner/name`), the project."""
    revision: str = ""
    """Version or commit; empty leaves a set of the hub unpinned."""
    url: str = ""
    """A web page about it."""
    folder: str = ""
    """Folder below the data root, where that is not the card's name (a benchmark in its training set). Of kind local it may be
    a whole path: the data is read where it lies."""
    how_to_get: str = ""
    """What a person has to do for the data, in a sentence."""
    files: tuple[RemoteFile, ...] = ()
    """Of http: the files to fetch."""
    also: tuple[str, ...] = ()
    """PhysioNet projects whose files belong into the same folder."""
    include: tuple[str, ...] = ()
    """Of the hub and PhysioNet: patterns of files to fetch beside those of the splits."""
    unpack: tuple[str, ...] = ()
    """Patterns of archives that are unpacked where they lie."""

    @model_validator(mode="after")
    def _below_the_data_root(self) -> Source:
        if self.kind != "local" and Path(self.folder).is_absolute():
            raise ValueError(
                "folder: a whole path is for data of kind local; of others it is below the data root"
            )
        return self


class Split(Strict):
    """What the source states of a split."""

    rows: int | None = None
    """Rows the source states; none where it states none."""
    images: int | None = None
    """Pictures the source states."""
    sha256: str = ""
    """Checksum of the split's file, where it is one file."""
    unverified: bool = False
    """The counts are rounded or second-hand: nothing is refused for them."""


class Lingshu(Strict):
    """The machine-readable half of a card, under `lingshu:`."""

    source: Source
    """Where the data comes from."""
    access: Access
    """Who can have it: `open`; `gated` (accept terms first); `credentialed` (training and an agreement); `local`
    (published nowhere)."""
    licence: Licence
    """What the owner allows."""
    role: Role = "training"
    """What the set is for."""
    modality: tuple[Modality, ...] = ()
    """Kinds of picture, in any known spelling."""
    body_part: tuple[str, ...] = ()
    """What the pictures show, in lower case."""
    task: tuple[str, ...] = ()
    """What is asked, such as `vqa`, `caption`, `report`."""
    language: tuple[Language, ...] = ("en",)
    """Languages of the text, by their codes."""
    format: str
    """The layout of the publisher's files: a file of `data/rows/formats/`."""
    fields: dict[str, JsonValue] = Field(default_factory=dict)
    """What the layout must know: see the format. Its `files` says which file holds which split."""
    answer_type: tuple[str, ...] = ()
    """Types of the answers, such as `mcq`, `yes_no`, `short`, `free`."""
    splits: dict[str, Split] = Field(default_factory=dict)
    """What the source states of each split."""
    overlaps: tuple[str, ...] = ()
    """Cards with pictures or questions from the same source."""
    problems: tuple[str, ...] = ()
    """Known faults of the set."""
    used_in: tuple[str, ...] = ()
    """Where the paper uses it."""
    creators: tuple[str, ...] = ()
    """Who made it."""
    citations: tuple[str, ...] = ()
    """How to cite it."""
    year: int | None = None
    """Year of publication."""


class Card(Strict):
    """A data card. `name` is its file name; `hub` holds the hub's own front-matter keys; `file` is where it was read."""

    name: str
    lingshu: Lingshu
    hub: dict[str, object]
    body: str
    file: Path | None = None

    @property
    def title(self) -> str:
        return str(self.hub.get("pretty_name", self.name))

    @property
    def digest(self) -> str:
        """What a corpus prepared from this card depends on: the strict block without what only informs."""
        return digest(self.lingshu.model_dump(mode="json", exclude=INFORMS))

    @property
    def where(self) -> str:
        """Where the card lies, for a line that says what is wrong with it."""
        return f"{folders.NAME}/{self.name}.md" if self.file is None else str(environment.near(self.file))

    @property
    def own(self) -> bool:
        """The user's card, not one that comes with lingshu."""
        return self.file is None or folders.own(self.file)

    @property
    def unpinned(self) -> bool:
        """The publisher may change the data under this card: it comes from the hub and names no commit."""
        return self.lingshu.source.kind == "hub" and not self.lingshu.source.revision

    def folder(self, data_root: Path) -> Path:
        """Where the data of this card belongs. Cards may share a folder. A whole path stands for itself."""
        return data_root / (self.lingshu.source.folder or self.name)

    @property
    def files(self) -> dict[str, str]:
        """Split -> the files that hold its rows, as a pattern below the data folder; empty where the card holds no rows."""
        found = self.lingshu.fields.get("files", {})
        return {split: str(pattern) for split, pattern in found.items()} if isinstance(found, dict) else {}

    @property
    def journal(self) -> str:
        """The file in the data folder that is there as long as a download is not finished."""
        return f".lingshu-fetching-{self.name}.jsonl"


def names(folder: Path | None = None) -> list[str]:
    """The cards of one folder, or all that can be found."""
    return folders.names() if folder is None else folders.within(folder)


def load(name: str, *, where: str = "data_cards", folder: Path | None = None) -> Card:
    """Read `<name>.md` of one folder, or of the first folder of the search path that has it (`folders.path`).

    Unknown name, or two cards of this name: RecipeError; bad card: DataError.
    """
    path = folders.find(name) if folder is None else folder / f"{name}.md"
    if path is None or not os.path.isfile(path):  # Also where the name is longer than a file's may be.
        known = names(folder)
        near = get_close_matches(name, known, n=5, cutoff=0.5) or known[:5]
        places = folders.path() if folder is None else (folder,)
        raise RecipeError(
            f"{where}: unknown data card {name!r}; nearest of the {len(known)} in "
            f"{', '.join(f'{environment.near(place)}/' for place in places)}: {', '.join(near)}"
        )
    written = path.stat()
    return _read(path, written.st_mtime_ns, written.st_size)


@lru_cache(maxsize=512)
def _read(path: Path, written: int, size: int) -> Card:
    """`written` and `size` make a changed file another key."""
    where = str(environment.near(path))
    head, body = _split(path, where)
    block = head.pop("lingshu", None)
    if not isinstance(block, dict):
        raise DataError(f"{where}: front matter has no `lingshu:` block; copy one from another card")
    return Card(
        name=path.stem,
        lingshu=parse(Lingshu, block, where=f"{where}: lingshu", error=DataError),
        hub=head,
        body=body,
        file=path,
    )


def root(card: Card, data_root: Path) -> Path | None:
    """The folder that holds the card's data on this machine. None where no split has a file, or some are on their way."""
    if card.lingshu.source.kind == "package":
        spec = importlib.util.find_spec(card.lingshu.source.name)
        return Path(spec.origin).parent if spec and spec.origin else None
    folder = card.folder(data_root)
    if not folder.is_dir() or (folder / card.journal).exists():
        return None
    if card.files:
        here = any(next(patterns.files(folder, pattern), None) for pattern in card.files.values())
    else:
        here = any(not path.name.startswith(".") for path in folder.iterdir())
    return folder if here else None


def _split(path: Path, where: str) -> tuple[dict[str, object], str]:
    text = read_text(path)
    parts = text.split("\n---\n", 1)
    if not text.startswith("---\n") or len(parts) != 2:
        raise DataError(f"{where}: a card starts with YAML front matter between two lines of ---")
    try:
        # The same safe loader, compiled where PyYAML was built with libyaml: a plan reads a hundred cards.
        head = yaml.load(parts[0][4:], Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (yaml.YAMLError, RecursionError, ValueError) as fault:
        # A date that is none is a ValueError.
        raise DataError(f"{where}: front matter, {not_yaml(fault, above=1)}") from None
    if not isinstance(head, dict):
        raise DataError(f"{where}: front matter must be a mapping")
    return head, parts[1]
