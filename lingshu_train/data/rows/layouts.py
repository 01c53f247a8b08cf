"""What a file of data/rows/formats/ has: a layout, found by its file's name, which a card writes as its `format`.

A layout of rows says how a publisher's files are cut into lines, and which samples a line gives. A layout of pictures has
no rows: its cards hold labelled pictures, and questions are asked of all of them together. Everything above asks these
protocols and no layout by name.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Protocol, TypeVar, runtime_checkable

from PIL import Image

from lingshu_train.data.cards import variants
from lingshu_train.data.cards.card import Card
from lingshu_train.data.rows.line import Line
from lingshu_train.data.rows.row import Origin, Row, Skipped, SplitFiles
from lingshu_train.errors import DataError
from lingshu_train.naming import component
from lingshu_train.record import Sample
from lingshu_train.schema import Strict, parse

FORMATS = "lingshu_train.data.rows.formats"

F = TypeVar("F", bound=SplitFiles)


@runtime_checkable
class RowLayout(Protocol[F]):
    """Files that hold rows. `Fields` is what a card says under `fields`."""

    Fields: type[F]

    def lines(self, fields: F, origin: Origin) -> Iterator[Line]:
        """The lines of a split in file order, cheap and picklable: `published.table_lines`, `published.file_lines`, or its own.

        A line that cannot be read carries its fault. DataError or MissingInput: a file is torn, or none is there.
        """
        ...

    def rows(self, line: Line, fields: F, origin: Origin) -> Iterator[Row | Skipped]:
        """The samples of one line: none, one or several. DataError names file, line and field.

        None is for lines that are of no concern to the card (another language, another subject). A line that would be a
        sample and is left out because the card says so (`empty: skip`) yields `Skipped` with its reason instead: it is
        counted, and belongs to the rows that the card states. What is kept and is not whole has `Row.notes`.
        """
        ...


class Questions(Protocol):
    """All that can be asked of some cards' pictures."""

    def sample(self, split: str, task: str, n: int) -> tuple[Sample, tuple[Image.Image, ...]]:
        """The n-th sample of a task with its pictures: a function of seed, split, task and n, and of the cards."""
        ...


@runtime_checkable
class PictureLayout(Protocol):
    """Labelled pictures. `Fields` is what a card says under `fields`; `TASKS` are the questions that can be asked."""

    Fields: type[Strict]
    TASKS: Collection[str]

    def pictures(self, card: Card, root: Path) -> Iterator[object]:
        """Every picture of a card, decoded, its file compared with the card's checksum. DataError: one is not as stated."""
        ...

    def questions(self, cards: Sequence[tuple[Card, Path]], *, side: int, seed: int) -> Questions:
        """What is asked of these cards, each with its data folder, in views of `side` x `side` pixels."""
        ...


Layout = RowLayout[SplitFiles] | PictureLayout


def of(card: Card) -> Layout:
    """The layout of a card. DataError lists the formats there are."""
    where = f"{card.where}: lingshu.format"
    found = component(FORMATS, card.lingshu.format, where=where, error=DataError)
    if isinstance(found, RowLayout | PictureLayout):
        return found
    raise DataError(
        f"{where}: {found.__file__} is no layout: it must have Fields, lines and rows, or Fields, TASKS, pictures and "
        "questions (lingshu_train/data/rows/layouts.py says how)"
    )


def fields(card: Card, root: Path | None = None) -> Strict:
    """What the card says under `fields`, as its layout reads it. DataError: not what the layout takes.

    `root`: the card's data folder; of several layouts in `variants` the one that lies there (`variants.seen`).
    """
    return fields_of(card, variants.seen(card, root) if root and card.lingshu.variants else "")


def fields_of(card: Card, variant: str) -> Strict:
    """The same of a layout by its name; empty for the card's own. DataError too where a variant has other splits."""
    where = f"{card.where}: lingshu.fields" if not variant else f"{card.where}: lingshu.variants.{variant}"
    if set(card.files_of(variant)) != set(card.files):
        raise DataError(
            f"{where}.files: must have the splits of `fields` ({', '.join(card.files)}), "
            f"has {', '.join(card.files_of(variant))}"
        )
    return parse(of(card).Fields, card.fields_of(variant), where=where, error=DataError)


def tasks(cards: Iterable[Card]) -> tuple[str, ...]:
    """The questions that can be asked of some cards' pictures; none where all of them hold rows."""
    found = (layout.TASKS for card in cards if isinstance(layout := of(card), PictureLayout))
    return tuple(dict.fromkeys(task for known in found for task in known))
