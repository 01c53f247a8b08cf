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
from typing import Annotated, Literal

import yaml
from pydantic import Field, JsonValue

from lingshu_train import environment
from lingshu_train.data.cards import alike, folders
from lingshu_train.data.cards.source import Access, Source
from lingshu_train.documents import MOST_YAML, check_yaml, not_yaml, read_text
from lingshu_train.errors import DataError, RecipeError
from lingshu_train.naming import NAME_RULE, digest, is_name
from lingshu_train.schema import Language, Modality, Strict, parse

INFORMS: Mapping[str, set[str] | bool] = {
    "source": {"how_to_get", "url", "folder", "files", "also", "include", "unpack", "bytes", "companions"},
    "licence": {"read"},
    **dict.fromkeys(("problems", "overlaps", "used_in", "creators", "citations", "year", "evidence"), True),
}
"""What a corpus does not depend on."""

RECORD = ".lingshu-source.json"
"""The file in a data folder that says what was downloaded into it (fetched.py)."""

EvidenceKind = Literal["real_bytes", "publisher_code", "others_code", "description", "none"]
Day = Annotated[str, Field(pattern=r"^(\d{4}-\d{2}-\d{2})?$")]
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

    read: Day = ""
    """The day on which the terms were read at the source, as 2026-11-29; empty: not written down."""

    def __str__(self) -> str:
        return self.id + (" (not read at the source)" if self.unverified else "")


class Evidence(Strict):
    """What a card's account of the publisher's files rests on."""

    kind: EvidenceKind = "none"
    """The best that was looked at: `real_bytes` (the files themselves), `publisher_code` (code of theirs that reads them),
    `others_code` (public code of others that does), `description` (a page or a paper), `none`."""
    of: str = ""
    """What that was: files, a repository, a page, and what it showed."""
    read: Day = ""
    """The day on which it was looked at, as 2026-11-29."""


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
    variants: dict[str, dict[str, JsonValue]] = Field(default_factory=dict)
    """Other layouts of the same data, by name (a version, a mirror): the keys of `fields` that differ there, each with all
    it holds; none takes a key away. Which one is read is what lies in the data folder: see docs/data.md."""
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
    evidence: Evidence = Evidence()
    """What the account of the files, in `format` and `fields`, rests on."""
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
        content = self.lingshu.model_dump(mode="json", exclude={**INFORMS, "variants": True})
        others = [(one.kind, one.name, one.revision, one.into) for one in self.lingshu.source.companions]
        # Left out where there are none, so that a card without them is called what it was before there were any.
        content |= {"companions": others} if others else {}
        content |= {"variants": self.lingshu.variants} if self.lingshu.variants else {}
        return digest(content)

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
        """A publisher may change the data under this card: some of it comes from the hub and names no commit."""
        source = self.lingshu.source
        return any(one.kind == "hub" and not one.revision for one in (source, *source.companions))

    def folder(self, data_root: Path) -> Path:
        """Where the data of this card belongs. Cards may share a folder. A whole path stands for itself."""
        return data_root / (self.lingshu.source.folder or self.name)

    @property
    def files(self) -> dict[str, str]:
        """Split -> the files that hold its rows, as a pattern below the data folder; empty where the card holds no rows."""
        return self.files_of("")

    def files_of(self, variant: str) -> dict[str, str]:
        """The same of another layout."""
        found = self.fields_of(variant).get("files", {})
        return {split: str(pattern) for split, pattern in found.items()} if isinstance(found, dict) else {}

    def fields_of(self, variant: str) -> dict[str, JsonValue]:
        """`fields` as they are in one of `variants`; with an empty name as they stand."""
        other = self.lingshu.variants[variant] if variant else {}
        gone = {key for key, value in other.items() if value is None}
        return {key: value for key, value in {**self.lingshu.fields, **other}.items() if key not in gone}

    @property
    def kept_out_by(self) -> tuple[str, ...]:
        """Files of others, as patterns, whose rows keep rows of this card out."""
        found = self.lingshu.fields.get("without")
        others = found if isinstance(found, list) else []
        return tuple(str(one["files"]) for one in others if isinstance(one, dict) and "files" in one)

    @property
    def layouts(self) -> tuple[str, ...]:
        """The layouts in which the data may lie: its `fields` as they stand (an empty name), then the variants."""
        return ("", *self.lingshu.variants)

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
    if not is_name(name):
        raise RecipeError(f"{where}: {name!r} names no data card; {NAME_RULE}")
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
    """The folder that holds the card's data on this machine. None where no split has a file, or some are on their way.

    Where a download put something there, what a person has to add to it must be there too. Data that a person put there as a
    whole counts as it is.
    """
    source = card.lingshu.source
    if source.kind == "package":
        spec = importlib.util.find_spec(source.name)
        return Path(spec.origin).parent if spec and spec.origin else None
    folder = card.folder(data_root)
    if (folder / card.journal).exists():
        return None
    found = _holding(card, folder)
    if len(found) != 1:
        return None
    by_hand = [one for one in source.companions if one.by_hand(one.access or card.lingshu.access)]
    if by_hand and (folder / RECORD).exists() and not all(one.shown(folder) for one in by_hand):
        return None
    return found[0]


def _holding(card: Card, folder: Path) -> list[Path]:
    """The data folder where the card's rows lie in it, else the folders around them in it (`alike.around`)."""
    if has_rows(card, folder):
        return [folder]
    if not card.files or not folder.is_dir():
        return []
    wanted = {pattern: None for one in card.layouts for pattern in card.files_of(one).values()}
    return [place for place in alike.around(folder, wanted) if has_rows(card, place)]


def around(card: Card, folder: Path) -> list[Path]:
    """The folders in a data folder that hold the card's rows, where it does not itself."""
    return [place for place in _holding(card, folder) if place != folder]


def has_rows(card: Card, folder: Path) -> bool:
    """Whether a split has a file, in whichever layout, and the files are there that keep rows out of it; of a card without
    rows, whether there is any file."""
    if not folder.is_dir():
        return False
    if not card.files:
        return any(not path.name.startswith(".") for path in folder.iterdir())
    wanted = {pattern: None for one in card.layouts for pattern in card.files_of(one).values()}
    here = any(alike.there(folder, pattern) for pattern in wanted)
    return here and all(alike.there(folder, other) for other in card.kept_out_by)


def _split(path: Path, where: str) -> tuple[dict[str, object], str]:
    text = read_text(path, most=MOST_YAML)
    parts = text.split("\n---\n", 1)
    if not text.startswith("---\n") or len(parts) != 2:
        raise DataError(f"{where}: a card starts with YAML front matter between two lines of ---")
    try:
        # The same safe loader, compiled where PyYAML was built with libyaml: a plan reads a hundred cards.
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        check_yaml(parts[0][4:], loader)
        head = yaml.load(parts[0][4:], Loader=loader)
    except (yaml.YAMLError, RecursionError, ValueError) as fault:
        # A date that is none is a ValueError.
        raise DataError(f"{where}: front matter, {not_yaml(fault, above=1)}") from None
    if not isinstance(head, dict):
        raise DataError(f"{where}: front matter must be a mapping")
    return head, parts[1]
