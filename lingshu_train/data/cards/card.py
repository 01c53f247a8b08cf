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
from pydantic import Field, JsonValue

from lingshu_train.data.cards import patterns
from lingshu_train.documents import not_yaml, read_text
from lingshu_train.errors import DataError, RecipeError
from lingshu_train.naming import digest
from lingshu_train.schema import Language, Modality, Strict, parse

CARDS = Path(__file__).resolve().parents[3] / "data_cards"
INFORMS: Mapping[str, set[str] | bool] = {
    "source": {"how_to_get", "url", "folder", "files", "also", "include", "unpack"},
    **dict.fromkeys(("problems", "overlaps", "used_in", "creators", "citations", "year"), True),
}

Access = Literal["open", "gated", "credentialed", "local"]
Role = Literal["training", "benchmark", "demonstration"]


class Licence(Strict):
    """What the owner allows; None: not known. What follows from it is decided in licences.py.

    `id` is an SPDX identifier, or a name of our own in lower case. `unverified`: not read at the source.
    """

    id: str
    name: str = ""
    unverified: bool = False
    redistribute: bool | None = None
    derive_weights: bool | None = None
    third_party_api: bool | None = None
    commercial: bool | None = None

    def __str__(self) -> str:
        return self.id + (" (not read at the source)" if self.unverified else "")


class RemoteFile(Strict):
    """A file at a web address. `path`: below the data folder, where that is not the address's last part."""

    url: str
    path: str = ""
    sha256: str = ""
    bytes: int | None = None

    @property
    def place(self) -> str:
        return self.path or unquote(urlsplit(self.url).path.rpartition("/")[2])


class Source(Strict):
    """Where the data comes from: an installed package, the hub, a web address, PhysioNet or a local folder.

    `folder`: below the data root, where that is not the card's name (a benchmark in its training set). What is fetched:
    of http, `files`; of the hub and PhysioNet, the files of the splits and what matches `include`. `also`: PhysioNet
    projects whose files belong into the same folder. `unpack`: patterns of archives that are unpacked where they lie.
    """

    kind: Literal["package", "hub", "http", "physionet", "local"]
    name: str
    revision: str = ""
    url: str = ""
    folder: str = ""
    how_to_get: str = ""
    files: tuple[RemoteFile, ...] = ()
    also: tuple[str, ...] = ()
    include: tuple[str, ...] = ()
    unpack: tuple[str, ...] = ()


class Split(Strict):
    """A split of the data set. Counts are those of the source; None where it states none.

    `unverified` counts are rounded or second-hand: nothing is refused for them. `sha256` is that of the
    split's file, where it is one file.
    """

    rows: int | None = None
    images: int | None = None
    sha256: str = ""
    unverified: bool = False


class Lingshu(Strict):
    """The machine-readable half of a card."""

    source: Source
    access: Access
    licence: Licence
    role: Role = "training"
    modality: tuple[Modality, ...] = ()
    body_part: tuple[str, ...] = ()
    task: tuple[str, ...] = ()
    language: tuple[Language, ...] = ("en",)
    format: str
    fields: dict[str, JsonValue] = Field(default_factory=dict)
    answer_type: tuple[str, ...] = ()
    splits: dict[str, Split] = Field(default_factory=dict)
    overlaps: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    used_in: tuple[str, ...] = ()
    creators: tuple[str, ...] = ()
    citations: tuple[str, ...] = ()
    year: int | None = None


class Card(Strict):
    """A data card. `name` is its file name; `hub` holds the hub's own front-matter keys."""

    name: str
    lingshu: Lingshu
    hub: dict[str, object]
    body: str

    @property
    def title(self) -> str:
        return str(self.hub.get("pretty_name", self.name))

    @property
    def digest(self) -> str:
        """What a corpus prepared from this card depends on: the strict block without what only informs."""
        return digest(self.lingshu.model_dump(mode="json", exclude=INFORMS))

    @property
    def unpinned(self) -> bool:
        """The publisher may change the data under this card: it comes from the hub and names no commit."""
        return self.lingshu.source.kind == "hub" and not self.lingshu.source.revision

    def folder(self, data_root: Path) -> Path:
        """Where the data of this card belongs. Cards may share a folder."""
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


def names(folder: Path = CARDS) -> list[str]:
    return sorted(path.stem for path in folder.glob("*.md"))


def load(name: str, *, where: str = "data_cards", folder: Path = CARDS) -> Card:
    """Read `data_cards/<name>.md`. Unknown name: RecipeError that lists near names; bad card: DataError."""
    path = folder / f"{name}.md"
    if not os.path.isfile(path):  # Also where the name is longer than a file's may be.
        known = names(folder)
        near = get_close_matches(name, known, n=5, cutoff=0.5) or known[:5]
        raise RecipeError(
            f"{where}: unknown data card {name!r}; nearest of the {len(known)} in data_cards/: {', '.join(near)}"
        )
    written = path.stat()
    return _read(path, written.st_mtime_ns, written.st_size)


@lru_cache(maxsize=512)
def _read(path: Path, written: int, size: int) -> Card:
    """`written` and `size` make a changed file another key."""
    head, body = _split(path)
    block = head.pop("lingshu", None)
    if not isinstance(block, dict):
        raise DataError(f"{path}: front matter has no `lingshu:` block; copy one from another card")
    return Card(
        name=path.stem,
        lingshu=parse(Lingshu, block, where=f"{path}: lingshu", error=DataError),
        hub=head,
        body=body,
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


def _split(path: Path) -> tuple[dict[str, object], str]:
    text = read_text(path)
    parts = text.split("\n---\n", 1)
    if not text.startswith("---\n") or len(parts) != 2:
        raise DataError(f"{path}: a card starts with YAML front matter between two lines of ---")
    try:
        # The same safe loader, compiled where PyYAML was built with libyaml: a plan reads a hundred cards.
        head = yaml.load(parts[0][4:], Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (yaml.YAMLError, RecursionError, ValueError) as fault:
        # A date that is none is a ValueError.
        raise DataError(f"{path}: front matter, {not_yaml(fault, above=1)}") from None
    if not isinstance(head, dict):
        raise DataError(f"{path}: front matter must be a mapping")
    return head, parts[1]
