"""Where the files of a card come from: its own source, and further ones whose files belong into the same data folder."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, BeforeValidator, model_validator

from lingshu_train.data.cards import patterns
from lingshu_train.schema import Strict

Access = Literal["open", "gated", "credentialed", "local"]


def _below(folder: str) -> str:
    parts = PurePosixPath(folder).parts
    if "\\" in folder or PurePosixPath(folder).is_absolute() or ".." in parts:
        raise ValueError("must be a folder below the data folder, such as images/laion")
    if parts and parts[0].startswith(".lingshu"):
        raise ValueError("is a name that lingshu keeps for its own records")
    return folder if folder in ("", ".") else "/".join(parts)


Below = Annotated[str, AfterValidator(_below)]
"""A folder below another one, as a card writes it."""


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


class Unpack(Strict):
    """Archives, and where their members go."""

    files: str
    """Pattern of the archives."""
    into: Below = ""
    """Folder, below that of the source's files, into which they are unpacked; empty: where the archive lies."""
    flat: bool = False
    """Whether the members' own folders are left out, so that all of them lie in one. Two members that would have the
    same name are refused, unless their bytes are equal."""

    def __str__(self) -> str:
        return (
            self.files
            + (f" into {self.into}/" if self.into else "")
            + (", without folders" if self.flat else "")
        )


def _rule(given: object) -> object:
    """A pattern alone is short for archives that are unpacked where they lie."""
    return {"files": given} if isinstance(given, str) else given


class Publication(Strict):
    """What a card says of every source."""

    kind: Literal["package", "hub", "http", "physionet", "local"]
    """Where the data comes from: an installed Python package, the Hugging Face Hub, web addresses, PhysioNet, or a
    folder that you fill."""
    name: str
    """Its name there: the package, the repository (`owner/name`), the project."""
    revision: str = ""
    """Version or commit; empty leaves a set of the hub unpinned."""
    url: str = ""
    """A web page about it."""
    how_to_get: str = ""
    """What a person has to do for the data, in a sentence."""
    files: tuple[RemoteFile, ...] = ()
    """Of http: the files to fetch."""
    also: tuple[str, ...] = ()
    """PhysioNet projects whose files belong into the same folder."""
    include: tuple[str, ...] = ()
    """Of the hub and PhysioNet: patterns of files to fetch beside those of the splits."""
    unpack: tuple[Annotated[Unpack, BeforeValidator(_rule)], ...] = ()
    """Archives that are unpacked: patterns (unpacked where they lie), or `{files: PATTERN, into: FOLDER, flat: true}`."""
    bytes: int | None = None
    """Size of all that is fetched, as the publisher states it, perhaps rounded. For the dry run; nothing is refused for it."""

    @property
    def home(self) -> str:
        """The web address of the data, or a name where it has none."""
        if self.url:
            return self.url
        return {
            "hub": f"https://huggingface.co/datasets/{self.name}",
            "physionet": f"https://physionet.org/content/{self.name}/",
            "http": self.name,
            "package": f"urn:python-package:{self.name}",
            "local": f"urn:local-data:{self.name}",
        }[self.kind]

    def rule(self, name: str) -> Unpack | None:
        """How the file `name` is unpacked; None where it is no archive that is."""
        return next((one for one in self.unpack if patterns.match(name, [one.files])), None)

    def by_hand(self, access: Access) -> bool:
        """Whether no command can fetch it, whoever asks: a person puts it there."""
        return self.kind == "local" or (self.kind == "http" and (not self.files or access != "open"))


class Companion(Publication):
    """A further source of a card, such as that of its pictures, fetched with it into the same data folder."""

    access: Access | None = None
    """Who can have it; none: who can have the card's own data."""
    into: Below = ""
    """Folder below the data folder in which its files go; empty: the data folder itself."""
    shown_by: tuple[str, ...] = ()
    """Patterns of files below `into` that are there once a person has put it there; none: any file below `into`."""

    @model_validator(mode="after")
    def _of_files(self) -> Companion:
        if self.kind == "package":
            raise ValueError("kind: a package is no further source; name it in how_to_get")
        if self.kind == "local" and not (self.shown_by or self.into.strip(".")):
            raise ValueError(
                "shown_by: say which files show that it is there, or give it a folder of its own with `into`"
            )
        return self

    def shown(self, folder: Path) -> bool:
        """Whether what a person puts there lies in the data folder."""
        place = folder / self.into
        wanted: Iterable[str] = self.shown_by or (("**",) if self.into.strip(".") else ())
        return bool(wanted) and all(next(patterns.files(place, one), None) for one in wanted)


class Source(Publication):
    """Where the data comes from, and what is fetched of it."""

    folder: str = ""
    """Folder below the data root, where that is not the card's name (a benchmark in its training set). Of kind local it may be
    a whole path: the data is read where it lies."""
    companions: tuple[Companion, ...] = ()
    """Further sources whose files belong to this card, such as pictures that another publisher holds."""

    @model_validator(mode="after")
    def _below_the_data_root(self) -> Source:
        if self.kind != "local" and Path(self.folder).is_absolute():
            raise ValueError(
                "folder: a whole path is for data of kind local; of others it is below the data root"
            )
        keys = [(one.kind, one.name, one.into) for one in self.companions]
        if len(set(keys)) < len(keys):
            raise ValueError("companions: one is named twice; give it both its `include` patterns at once")
        return self
