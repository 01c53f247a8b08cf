"""What a row format yields: one sample with its image files, before images have digests."""

from __future__ import annotations

import hashlib
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from lingshu_train.data.images import windows
from lingshu_train.data.images.excerpt import Excerpt
from lingshu_train.data.rows.volumes import Volumes
from lingshu_train.errors import DataError
from lingshu_train.naming import file_digest
from lingshu_train.record import Sample
from lingshu_train.schema import Name, Strict

Content = Literal["text", "image", "nested"]
"""What a column holds. An image is a file name, or the bytes that Parquet files carry; a list or a record is nested."""
TEXT: Content = "text"


class Divide(Strict):
    """How rows without a split of their own are divided."""

    shares: dict[str, float] = Field(min_length=1)
    """The share of each split; they add up to 1. For example `{train: 0.8, validation: 0.1, test: 0.1}`."""
    seed: int = 0
    """Another number makes another draw."""

    @model_validator(mode="after")
    def _whole(self) -> Divide:
        if min(self.shares.values()) <= 0 or not math.isclose(sum(self.shares.values()), 1, abs_tol=1e-6):
            raise ValueError("shares must be above 0 and add up to 1")
        return self

    def split_of(self, key: str) -> str:
        """The split of what `key` names: a function of it and the seed alone, so that more rows move none."""
        place = int.from_bytes(hashlib.sha256(f"{self.seed}/{key}".encode()).digest()[:8]) / 2**64
        *others, last = self.shares.items()
        for split, share in others:
            place -= share
            if place < 0:
                return split
        return last[0]


class Without(Strict):
    """Other files of the publisher whose rows keep rows of this card out: a benchmark, or another split."""

    files: str
    """Those files, as a pattern below the data folder. For example `test.json`."""
    column: str
    """The column that names what must not be met again: pictures (names, several as a list, or bytes), or what rows are
    grouped by, such as the patient."""
    splits: tuple[str, ...] = ()
    """The splits of this card that rows are kept out of; empty: all."""


Window = Annotated[windows.Window, AfterValidator(windows.known)]


def _form(text: str) -> str:
    slots = re.findall(r"\{(\w*)\}", text)
    if text != TAGS and sorted(slots) != ["answer", "reasoning"]:
        raise ValueError("must be `tags`, or a text with {reasoning} and {answer} once each")
    return text


TAGS = "tags"
Form = Annotated[str, AfterValidator(_form)]


class SplitFiles(Strict):
    """What every row format has in a card's `fields` block."""

    files: dict[str, str]
    """Which files hold which split, as a pattern below the data folder. For example `{train: train.csv, test:
    test.csv}`."""
    divide: Divide | None = None
    """Divides rows without a split of their own: the same files then stand under several splits, and each row belongs
    to one of them, by its group (the patient), or else its picture, or else its id or text."""
    without: tuple[Without, ...] = ()
    """Rows that other files keep out: those with a picture or a group that stands in them. They are left out when the
    rows are read, and counted. For example `[{files: test.json, column: img_name}]`."""
    window: Window | None = None
    """How grey of more than 8 bits becomes brightness: `[centre, width]` in the unit of the data (HU for CT), a CT
    preset by name, `spread` (from the 0.5th to the 99.5th percentile of what is not 0) or `full` (all that the
    stored bits can hold). A picture to which the layout gives a window of its own keeps that. None takes the
    file's."""
    volume: Volumes | None = None
    """How a volume that a row names becomes pictures, each called by its place in the question ("slice 12 of 40"). For example
    `{plane: axial, most: 8}`. None: a row that names a volume as its picture is refused."""
    views: tuple[str, ...] = ()
    """What the question calls each of a row's pictures, in their order. For example `[prior, current]`. A row with another
    number of pictures is refused. Empty: nothing is said of them."""
    most_pictures: int | None = Field(default=None, gt=0)
    """A row that shows more pictures than this is refused, and counted. None: the model's context is the bound."""

    tags: dict[Name, str] = Field(default_factory=dict)
    """What the publisher says of a row by which accuracy is told, such as its subject: each with its column, `{folder}` (that
    of the row's file) or `{file}` (its name without what follows the first point). For example `{subject: subject_name,
    difficulty: topic_difficulty}`. A row with nothing there has no such word."""

    @model_validator(mode="after")
    def _known_splits(self) -> SplitFiles:
        for other in self.without:
            for split in other.splits:
                if split not in self.files:
                    raise ValueError(f"without: no split {split!r}; `files` has: {', '.join(self.files)}")
        return self

    @model_validator(mode="after")
    def _same_files(self) -> SplitFiles:
        for split in self.divide.shares if self.divide else ():
            if split not in self.files:
                raise ValueError(f"divide: split {split!r} has no `files`; give it those that are divided")
        if self.divide and len({self.files[split] for split in self.divide.shares}) > 1:
            raise ValueError("divide: the splits that share rows must have the same `files`")
        return self

    def columns(self) -> dict[str, Content]:
        """The columns or keys of a row that are read, for those who describe the files; empty where they are no table."""
        return {}


class TableFiles(SplitFiles):
    """What every format of tables has."""

    delimiter: str = ""
    """What stands between the cells of a `.csv` or `.tsv`; empty: a comma or a tab."""
    encoding: str = ""
    """Encoding of text files; empty: UTF-8."""

    @field_validator("delimiter")
    @classmethod
    def _one_character(cls, text: str) -> str:
        if text and (len(text) > 1 or text in '"\r\n\0'):
            raise ValueError("must be one character, such as ; or a tab, and no quote")
        return text

    @field_validator("encoding")
    @classmethod
    def _of_text(cls, name: str) -> str:
        try:
            "a".encode(name or "utf-8")
        except (LookupError, ValueError):
            raise ValueError(
                "is no encoding of text; such are utf-8, utf-16, latin-1, cp1252, gb18030"
            ) from None
        return "" if re.sub(r"[-_]", "", name.casefold()) in ("utf8", "utf8sig", "ascii", "usascii") else name


class Answered(TableFiles):
    """What every format of questions has whose answers stand in a column."""

    empty: Literal["refuse", "skip"] = "refuse"
    """What becomes of a row without an answer: `refuse` counts it as a bad row; `skip` is for sets that publish
    questions without answers: such rows are left out and counted apart, and do not count against `most_refused`."""


class Captions(TableFiles):
    """What every format of captions has."""

    images: str = "."
    """Folder of the picture files."""
    prompt: str = "Describe this image."
    """The text that asks for the caption."""


class NoPicture(DataError):
    """The file of a row's picture is not there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """One image of a row: a file, or the bytes that the row carries. `name` is what error messages say. `told`: where it lies
    instead, where that is not its place (`elsewhere`)."""

    name: str
    path: Path | None = None
    data: bytes = b""
    excerpt: Excerpt | None = None
    told: str = ""

    def exists(self) -> bool:
        try:
            return bool(self.data) or (self.path is not None and self.path.is_file())
        except OSError:  # A name that no file system takes.
            return False

    def is_series(self) -> bool:
        """Whether a folder is named, which may hold a DICOM series."""
        try:
            return not self.data and self.path is not None and self.path.is_dir()
        except OSError:  # As above.
            return False

    def source(self) -> Path | bytes:
        """The undecoded file, or its bytes. NoPicture: it is not there."""
        if self.data:
            return self.data
        if self.is_series():
            raise DataError(
                f"{self.path}: is a folder and no picture; `volume` in a card's fields shows the series in it"
            )
        if self.path is None or not self.exists():
            raise NoPicture(f"{self.path or self.name}: image file is missing; fetch the card's images")
        return self.path

    def digest(self) -> str:
        """sha256 of the undecoded file, a part of which at a time is in memory. NoPicture: it is not there."""
        source = self.source()
        return file_digest(source) if isinstance(source, Path) else hashlib.sha256(source).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """An earlier question of a dialogue, with its answer."""

    question: str
    answer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """`sample` has no image digests yet: `images` holds the pictures in order. `turns` came before it.

    A format gives the sample the publisher's own id, or none: the reader makes it unique. `notes` say in a few words, the same
    for all rows alike, what of the publisher's row is not in it ("an opening answer"): they are counted. `told`, in as few
    words: what is called or lies otherwise than the card says.
    """

    sample: Sample
    images: tuple[Picture, ...] = ()
    turns: tuple[Turn, ...] = ()
    notes: tuple[str, ...] = ()
    told: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Skipped:
    """Stands for a row that the card leaves out on purpose, and is no fault of it. `reason`: a few words, the same for all
    rows alike ("no answer"), by which they are counted. `stated`: it is one of the rows that the card states; not one of those
    that belong to the publisher's split and to no split of this card."""

    reason: str
    stated: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a row is being read from. `root` is the card's data folder. `anywhere`: the data is the user's own, and a row may
    name a picture outside the folder by its whole path.
    """

    card: str
    split: str
    root: Path
    anywhere: bool = False


def form(text: str) -> str:
    """What a sample says of a card's `form`: empty for tags, which are the rule."""
    return "" if text == TAGS else text


def caption(
    fields: Captions, origin: Origin, *, text: str, group: str, id: str = "", modality: str = ""
) -> Sample:
    """The sample that asks for the text that goes with an image."""
    return Sample(
        id=id,
        card=origin.card,
        split=origin.split,
        task="caption",
        question=fields.prompt,
        question_type="free",
        answer=text,
        group=group,
        modality=modality,
    )
