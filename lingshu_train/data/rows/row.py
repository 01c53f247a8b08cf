"""What a row format yields: one sample with its image files, before images have digests."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator

from lingshu_train.data.images import windows
from lingshu_train.data.images.excerpt import Excerpt
from lingshu_train.errors import DataError
from lingshu_train.naming import file_digest
from lingshu_train.record import AnswerType, Sample
from lingshu_train.schema import Strict

Content = Literal["text", "image", "nested"]
"""What a column holds. An image is a file name, or the bytes that Parquet files carry; a list or a record is nested."""


Window = Annotated[windows.Window, AfterValidator(windows.known)]


class SplitFiles(Strict):
    """What every row format has in a card's `fields` block.

    `files`: split -> file pattern below the data folder. `window`: how grey of more than 8 bits becomes brightness:
    [centre, width] in the unit of the data, a CT preset by name, `spread` or `full`; a picture to which the layout gives a
    window of its own keeps that.
    """

    files: dict[str, str]
    window: Window | None = None

    def columns(self) -> dict[str, Content]:
        """The columns or keys of a row that are read, for those who describe the files; empty where they are no table."""
        return {}


class Captions(SplitFiles):
    """What every format of captions has. `images`: folder of the image files. `prompt` asks for the caption."""

    images: str = "."
    prompt: str = "Describe this image."


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """One image of a row: a file, or the bytes that the row carries. `name` is what error messages say."""

    name: str
    path: Path | None = None
    data: bytes = b""
    excerpt: Excerpt | None = None

    def exists(self) -> bool:
        try:
            return bool(self.data) or (self.path is not None and self.path.is_file())
        except OSError:  # A name that no file system takes.
            return False

    def digest(self) -> str:
        """sha256 of the undecoded file, a part of which at a time is in memory. DataError: it is not there."""
        if self.data:
            return hashlib.sha256(self.data).hexdigest()
        if self.path is None or not self.exists():
            raise DataError(f"{self.path or self.name}: image file is missing; fetch the card's images")
        return file_digest(self.path)


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """An earlier question of a dialogue, with its answer."""

    question: str
    answer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """`sample` has no image digests yet: `images` holds the pictures in order. `turns` came before it.

    A format gives the sample the publisher's own id, or none: the reader makes it unique.
    """

    sample: Sample
    images: tuple[Picture, ...] = ()
    turns: tuple[Turn, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a row is being read from. `root` is the card's data folder."""

    card: str
    split: str
    root: Path


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


def answer_type(answer: str) -> AnswerType:
    """How an answer without a stated type can be judged: yes/no, a bare number, or a short text."""
    if answer.strip().rstrip(".。").casefold() in ("yes", "no", "是", "是的", "否", "不是"):
        return "yes_no"
    return "numeric" if re.fullmatch(r"[+-]?\d+(\.\d+)?", answer.strip()) else "short"
