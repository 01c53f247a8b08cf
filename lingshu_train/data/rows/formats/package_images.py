"""Pictures that ship inside an installed Python package, listed one by one in the card's `fields:` block."""

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
from lingshu_train.errors import DataError
from lingshu_train.naming import file_digest
from lingshu_train.schema import Strict, parse

Split = Literal["train", "held_out"]


class Loose(Strict):
    """Read from YAML, where lists stand for tuples."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False)


class Slices(Loose):
    """Which slices of a volume to take along one axis: numbers as in Python's range."""

    first: int
    last: int
    step: int = 1


class Item(Loose):
    """One file. Empty `body_part`, `plane`, `view` and `laterality` mean not known, and no question asks.

    `group` is the patient or the acquisition: every copy, in any file or card, has this group and split.
    `lesions` allows discs to be drawn into it. `box` (left, top, right, bottom) cuts scanner text and rulers
    away; `extent` (first, last) cuts a volume along an axis, before the slices of `volume` are counted. `window` is
    (centre, width) or the name of a CT preset (data/images/ct_windows.json).
    """

    path: str
    sha256: str
    group: str
    split: Split
    modality: str
    body_part: str = ""
    plane: Literal["", "axial", "coronal", "sagittal"] = ""
    view: str = ""
    laterality: Literal["", "left", "right"] = ""
    lesions: bool = False
    window: tuple[float, float] | str | None = None
    frames: tuple[int, ...] = (0,)
    box: tuple[int, int, int, int] | None = None
    volume: dict[Plane, Slices] = Field(default_factory=dict)
    extent: dict[Plane, tuple[int, int]] = Field(default_factory=dict)
    shape: tuple[int, int] | None = None
    dtype: str = ""


class Fields(Loose):
    """The card's `fields:` block."""

    pictures: tuple[Item, ...] = Field(min_length=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
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
    found = parse(Fields, card.lingshu.fields, where=f"data_cards/{card.name}.md: fields", error=DataError)
    splits: dict[str, str] = {}
    for item in found.pictures:
        if splits.setdefault(item.group, item.split) != item.split:
            raise DataError(
                f"data_cards/{card.name}.md: group {item.group!r} is in two splits; it belongs to exactly one"
            )
        if isinstance(item.window, str) and item.modality != "ct":
            raise DataError(
                f"data_cards/{card.name}.md: {item.path}: window {item.window!r} is for CT, and this is "
                f"{item.modality}; give `window: [centre, width]`"
            )
    return found


def pictures(card: Card, root: Path) -> Iterator[Picture]:
    """Every picture of the card, in the card's order. `root` is the installed package's folder."""
    for item in fields(card).pictures:
        path = root / item.path
        if not path.is_file():
            raise DataError(f"{path}: not in the installed package; card {card.name} needs {_pin(card)}")
        if file_digest(path) != item.sha256:
            raise DataError(f"{path}: sha256 is not the one in card {card.name}; it needs {_pin(card)}")
        for suffix, plane, image in _images(item, path):
            yield Picture(
                image=(image.crop(item.box) if item.box else image).convert("RGB"),
                name=f"{item.path}{suffix}",
                card=card.name,
                group=item.group,
                split=item.split,
                modality=item.modality,
                body_part=item.body_part,
                plane=plane,
                view=item.view,
                laterality=item.laterality,
                lesions=item.lesions,
            )


def _images(item: Item, path: Path) -> Iterator[tuple[str, str, Image.Image]]:
    """Name suffix, plane and image of every frame or slice that the item asks for."""
    if item.volume:
        volume = images.Volume(path, extent=item.extent)
        for plane, slices in item.volume.items():
            for index in range(slices.first, slices.last, slices.step):
                yield f"#{plane}-{index}", plane, volume.slice(plane, index, window=item.window)
    elif path.suffix == ".dcm":
        for frame, image in zip(
            item.frames, images.dicom(path, frames=item.frames, window=item.window), strict=True
        ):
            yield f"#{frame}" if len(item.frames) > 1 else "", item.plane, image
    elif item.shape is not None:
        yield "", item.plane, images.raw(path, shape=item.shape, dtype=item.dtype, window=item.window)
    else:
        yield "", item.plane, images.raster(path, window=item.window)


def _pin(card: Card) -> str:
    source = card.lingshu.source
    return f"{source.name} {source.revision} ({source.how_to_get})"
