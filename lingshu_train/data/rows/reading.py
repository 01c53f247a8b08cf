"""One driver for every row format: opens a split of a card, hands out its lines, makes the rows of a line.

A row format is a file of data/formats/ with `Fields`, a SplitFiles with what else the card has to say, and
`rows(line, fields, origin)`, which yields the samples of one line, none or several. A format whose files are no plain
tables has `lines(fields, origin)` too.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, cast

from lingshu_train.data.cards.card import Card
from lingshu_train.data.rows import lines as tables
from lingshu_train.data.rows.lines import Line
from lingshu_train.data.rows.row import Origin, Row, SplitFiles
from lingshu_train.errors import DataError, RecipeError
from lingshu_train.naming import component
from lingshu_train.schema import parse

FORMATS = "lingshu_train.data.rows.formats"


class Layout(Protocol):
    """What the driver asks of a format module."""

    Fields: type[SplitFiles]

    def rows(self, line: Line, fields: Any, origin: Origin) -> Iterator[Row]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """One split of a card, ready to be read. Can be pickled, so that other processes can call `rows`."""

    format: str
    fields: SplitFiles
    origin: Origin

    def lines(self) -> Iterator[Line]:
        """Every line in file order, cheap and picklable. A file that is torn or not there ends it with an error.

        A line that cannot be read carries its fault, and `rows` raises it.
        """
        own = getattr(self._layout, "lines", None)
        if own is not None:
            yield from own(self.fields, self.origin)
        else:
            yield from tables.read(self.origin.root, self.fields.files[self.origin.split])

    def rows(self, line: Line) -> Iterator[Row]:
        """The samples of one line, their ids unique in the split. A bad line: DataError with file, line, field.

        An id is the file's path below the data folder, the number of its record, the number of the sample where
        it is not the line's first, and the publisher's own id: `qa/train.json#12.1:VQA_0012`.
        """
        file = line.file.relative_to(self.origin.root).as_posix()
        for number, row in enumerate(self._layout.rows(line.sound(), self.fields, self.origin)):
            own = f":{row.sample.id}" if row.sample.id else ""
            name = f"{file}#{line.record}{f'.{number}' if number else ''}{own}"
            yield replace(row, sample=replace(row.sample, id=name))

    def __iter__(self) -> Iterator[Row]:
        """Every row of every line. The first bad line ends it."""
        for line in self.lines():
            yield from self.rows(line)

    @property
    def _layout(self) -> Layout:
        return cast(Layout, importlib.import_module(f"{FORMATS}.{self.format}"))


def open(card: Card, root: Path, *, split: str) -> Reader:
    """A reader of one split; `root` is the card's data folder. No file is opened yet.

    Unknown format or bad `fields` block: DataError. No such split, or a card of pictures: RecipeError.
    """
    where, block = f"data_cards/{card.name}.md", card.lingshu
    layout = component(FORMATS, block.format, where=f"{where}: lingshu.format", error=DataError)
    if not issubclass(layout.Fields, SplitFiles):
        raise RecipeError(f"{where}: lingshu.format: {block.format} holds labelled pictures and has no rows")
    fields = parse(layout.Fields, block.fields, where=f"{where}: lingshu.fields", error=DataError)
    if split not in fields.files:
        raise RecipeError(
            f"{where}: lingshu.fields.files: no split {split!r}; it has: {', '.join(fields.files)}"
        )
    return Reader(format=block.format, fields=fields, origin=Origin(card=card.name, split=split, root=root))
