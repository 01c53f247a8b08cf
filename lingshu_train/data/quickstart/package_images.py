"""Labelled pictures that ship inside an installed Python package, listed one by one in the card's `fields:` block."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from PIL import Image
from pydantic import ConfigDict, Field

from lingshu_train.data import images
from lingshu_train.data.cards.card import Card
from lingshu_train.data.images.excerpt import Plane
from lingshu_train.data.images.windows import RULES
from lingshu_train.errors import DataError
from lingshu_train.naming import file_digest
from lingshu_train.schema import Modality, Strict, parse

Split = Literal["train", "held_out"]


class Loose(Strict):
    """Read from YAML, where lists stand for tuples."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False)


class Slices(Loose):
    """Which slices of a volume to take along one axis."""

    first: int
    """The first slice, from 0."""
    last: int
    """Behind the last slice."""
    step: int = 1
    """Every how many slices."""


class PictureFile(Loose):
    """One file."""

    path: str
    """File below the package's folder."""
    sha256: str
    """Its checksum."""
    group: str
    """The patient or the acquisition: every copy, in any file or card, has this group and split."""
    split: Split
    """The split of its group."""
    modality: Modality
    """The kind of picture."""
    body_part: str = ""
    """What it shows; empty: not known, and no question asks."""
    plane: Literal["", "axial", "coronal", "sagittal"] = ""
    """The plane of a slice; empty: not known."""
    view: str = ""
    """The view of a projection; empty: not known."""
    laterality: Literal["", "left", "right"] = ""
    """The side of the body; empty: not known."""
    lesions: bool = False
    """Whether discs may be drawn into it."""
    window: tuple[float, float] | str | None = None
    """`[centre, width]`, the name of a CT preset (data/images/ct_windows.json), `spread` or `full`; none takes the
    file's."""
    frames: tuple[int, ...] = (0,)
    """Frames to take, from 0."""
    box: tuple[int, int, int, int] | None = None
    """Left, top, right, bottom: cuts scanner text and rulers away."""
    volume: dict[Plane, Slices] = Field(default_factory=dict)
    """Which slices of a volume to take along each axis."""
    extent: dict[Plane, tuple[int, int]] = Field(default_factory=dict)
    """First and last: cuts a volume along an axis, before the slices of `volume` are counted."""
    shape: tuple[int, int] | None = None
    """Rows and columns of a file without a header; none: it has one."""
    dtype: str = ""
    """Type of its values as NumPy names it; empty: the header says it."""


class Fields(Loose):
    """The card's `fields:` block."""

    pictures: tuple[PictureFile, ...] = Field(min_length=1)
    """Every picture file, with what is truly known about it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledPicture:
    """One real picture with what is truly known about it. `name` is the file and the frame or slice."""

    image: Image.Image
    name: str
    card: str
    group: str
    split: Split
    modality: str
    body_part: str
    plane: str
    view: str
    laterality: str
    lesions: bool


def fields(card: Card) -> Fields:
    """The card's field block, checked; a group in two splits is refused."""
    found = parse(Fields, card.lingshu.fields, where=f"{card.where}: fields", error=DataError)
    splits: dict[str, str] = {}
    for file in found.pictures:
        if splits.setdefault(file.group, file.split) != file.split:
            raise DataError(f"{card.where}: group {file.group!r} is in two splits; it belongs to exactly one")
        if isinstance(file.window, str) and file.window not in RULES and file.modality != "ct":
            raise DataError(
                f"{card.where}: {file.path}: window {file.window!r} is for CT, and this is "
                f"{file.modality}; give `window: [centre, width]`"
            )
    return found


def pictures(card: Card, root: Path) -> Iterator[LabelledPicture]:
    """Every picture of the card, in the card's order. `root` is the installed package's folder."""
    for file in fields(card).pictures:
        path = root / file.path
        if not path.is_file():
            raise DataError(f"{path}: not in the installed package; card {card.name} needs {_pin(card)}")
        if file_digest(path) != file.sha256:
            raise DataError(f"{path}: sha256 is not the one in card {card.name}; it needs {_pin(card)}")
        for suffix, plane, image in _images(file, path):
            yield LabelledPicture(
                image=(image.crop(file.box) if file.box else image).convert("RGB"),
                name=f"{file.path}{suffix}",
                card=card.name,
                group=file.group,
                split=file.split,
                modality=file.modality,
                body_part=file.body_part,
                plane=plane,
                view=file.view,
                laterality=file.laterality,
                lesions=file.lesions,
            )


def _images(file: PictureFile, path: Path) -> Iterator[tuple[str, str, Image.Image]]:
    """Name suffix, plane and image of every frame or slice that the card asks for."""
    if file.volume:
        volume = images.Volume(path, extent=file.extent)
        for plane, slices in file.volume.items():
            for index in range(slices.first, slices.last, slices.step):
                yield f"#{plane}-{index}", plane, volume.slice(plane, index, window=file.window)
    elif path.suffix == ".dcm":
        for frame, image in zip(
            file.frames, images.dicom(path, frames=file.frames, window=file.window), strict=True
        ):
            yield f"#{frame}" if len(file.frames) > 1 else "", file.plane, image
    elif file.shape is not None:
        yield "", file.plane, images.raw(path, shape=file.shape, dtype=file.dtype, window=file.window)
    else:
        yield "", file.plane, images.raster(path, window=file.window)


def _pin(card: Card) -> str:
    source = card.lingshu.source
    return f"{source.name} {source.revision} ({source.how_to_get})"
