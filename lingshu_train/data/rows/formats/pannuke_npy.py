"""PanNuke: tiles stacked in `images.npy`, organs in `types.npy` beside it, nuclei numbered per type in `masks.npy`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lingshu_train.data.questions import outlines, templates
from lingshu_train.data.questions.templates import Subject
from lingshu_train.data.rows import arrays, published
from lingshu_train.data.rows.line import Line
from lingshu_train.data.rows.row import Origin, Row
from lingshu_train.errors import DataError

CHANNELS = (
    "neoplastic nuclei",
    "inflammatory nuclei",
    "connective tissue nuclei",
    "dead nuclei",
    "epithelial nuclei",
)


class Fields(templates.Words):
    """`files` are the stacks of tiles."""

    masks: dict[str, str]
    """For each split the stack of masks, with a channel for each type and one for the rest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """The organ of a tile as the publisher writes it, all `organs` of its fold, and the stack of its masks."""

    organ: str
    organs: Sequence[str]
    masks: Path


def lines(fields: Fields, origin: Origin) -> Iterator[Line]:
    """Every tile of the split's folds."""
    tiles = published.matching(origin.root, fields.files[origin.split])
    masks = published.matching(origin.root, fields.masks.get(origin.split, ""))
    if len(tiles) != len(masks):
        raise DataError(f"{origin.root}: {len(tiles)} stacks of tiles and {len(masks)} of masks")
    for path, outlined in zip(tiles, masks, strict=True):
        yield from _fold(path, outlined)


def _fold(path: Path, masks: Path) -> Iterator[Line]:
    named = path.with_name("types.npy")
    types, count = arrays.texts(named, arrays.stack(named)), len(arrays.numbers(path))
    shape = arrays.numbers(masks).shape
    if len(types) != count or len(shape) != 4 or shape[0] != count or shape[3] != len(CHANNELS) + 1:
        raise DataError(
            f"{masks}: must hold {count} masks of 6 channels, got {shape}; and {len(types)} types"
        )
    space = sorted(set(types))
    for index in range(count):
        tile = Tile(organ=types[index], organs=space, masks=masks)
        yield Line(file=path, number=index + 1, record=index + 1, prepared=tile)


def rows(line: Line, fields: Fields, origin: Origin) -> Iterator[Row]:
    """Which organ, which nuclei are there and most, how many of each, where the only one is."""
    place = line.record - 1
    name = f"{line.file.parent.name}/{line.file.stem}#{line.record}"
    image = arrays.picture(line, arrays.stack(line.file)[place], name=name)
    subject = Subject(origin=origin, words=fields, image=image, name=name)
    tile = line.given(Tile)
    yield from subject.finding(_organ(tile.organ), map(_organ, tile.organs))
    mask = arrays.stack(tile.masks)[place]
    regions = {label: mask[..., channel].astype(int) for channel, label in enumerate(CHANNELS)}
    yield from outlines.questions(subject, regions, counted=CHANNELS, instances=True)
    yield from subject.modality()


def _organ(written: str) -> str:
    """`Bile-duct` and `HeadNeck` as the publisher writes them, in words."""
    return f"{written.replace('_', ' ').replace('-', ' ').lower()} tissue"
