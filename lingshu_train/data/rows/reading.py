"""One driver for every layout of rows: opens a split of a card, hands out its lines, makes the rows of a line."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import cast

from lingshu_train.data.cards import patterns
from lingshu_train.data.cards.card import Card
from lingshu_train.data.images.excerpt import Excerpt
from lingshu_train.data.images.windows import Deep
from lingshu_train.data.rows import embedded, layouts, slices, spelling, withheld
from lingshu_train.data.rows.layouts import FORMATS, RowLayout
from lingshu_train.data.rows.line import Line
from lingshu_train.data.rows.row import Origin, Picture, Row, Skipped, SplitFiles
from lingshu_train.errors import DataError, MissingInput, RecipeError


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
        withheld.ready(self.fields, self.origin)
        return self._layout.lines(self.fields, self.origin)

    def rows(self, line: Line) -> Iterator[Row]:
        """The samples of one line, their ids unique in the split. A bad line: DataError with file, line, field.

        Where a card's rows are divided, those of other splits are left out, and a line that cannot be read, or that the card
        skips, counts in the split that its place falls into. An id is the file's path below the data folder, the number of
        its record, the number of the sample where it is not the line's first, and the publisher's own id:
        `qa/train.json#12.1:VQA_0012`.
        """
        for _, row in self.keyed(line):
            yield row

    def keyed(self, line: Line) -> Iterator[tuple[str, Row]]:
        """The same, each sample with the key by which rows are divided."""
        for key, one in self._all(line):
            if isinstance(one, Row):
                yield key, one

    def all(self, line: Line) -> Iterator[Row | Skipped]:
        """The samples of one line, and what stands for those that the card leaves out."""
        for _, one in self._all(line):
            yield one

    def _all(self, line: Line) -> Iterator[tuple[str, Row | Skipped]]:
        place = f"{_below(line.file, self.origin.root)}#{line.record}"
        try:
            spelt, other = spelling.read(line.sound(), self.fields.columns())
            for number, row in enumerate(self._layout.rows(spelt, self.fields, self.origin)):
                key = place if isinstance(row, Skipped) else _whose(row, place)
                if not self._here(key):
                    continue
                if isinstance(row, Skipped):
                    yield key, row
                elif withheld.held_out(row, self.fields, self.origin):
                    yield key, Skipped(withheld.SHARED, stated=False)
                else:
                    own = f":{row.sample.id}" if row.sample.id else ""
                    name = f"{place}{f'.{number}' if number else ''}{own}"
                    row = slices.laid_out(row, spelt, self.fields)
                    images = tuple(self._windowed(picture) for picture in row.images)
                    told = dict.fromkeys(filter(None, (line.told, *other, *(one.told for one in images))))
                    sample = replace(row.sample, id=name, tags=_tags(spelt, self.fields))
                    # Each by its name: `replace` asks every field of every row what it is.
                    yield (
                        key,
                        Row(sample=sample, images=images, turns=row.turns, notes=row.notes, told=tuple(told)),
                    )
        except (DataError, MissingInput):
            if self._here(place):
                raise

    def _here(self, key: str) -> bool:
        """Whether what `key` names belongs to this split."""
        divide = self.fields.divide
        if divide is None or self.origin.split not in divide.shares:
            return True
        return divide.split_of(key) == self.origin.split

    def __iter__(self) -> Iterator[Row]:
        """Every row of every line. The first bad line ends it."""
        for line in self.lines():
            yield from self.rows(line)

    def _windowed(self, picture: Picture) -> Picture:
        """With the window of the card, where the layout has found none for this picture."""
        excerpt = picture.excerpt or Excerpt()
        if self.fields.window is None or excerpt.window is not None:
            return picture
        return replace(picture, excerpt=replace(excerpt, window=Deep(self.fields.window)))

    @property
    def _layout(self) -> RowLayout[SplitFiles]:
        """By its name, since a module cannot be pickled."""
        return cast(RowLayout[SplitFiles], importlib.import_module(f"{FORMATS}.{self.format}"))


@lru_cache(maxsize=64)
def _below(file: Path, root: Path) -> str:
    """A file's path below the data folder, in one spelling, so that a row is called the same on every machine."""
    return patterns.composed(file.relative_to(root).as_posix())


def _whose(row: Row, place: str) -> str:
    """What stays together when rows are divided: the patient, else the picture, else what the publisher or the text says."""
    sample = row.sample
    if sample.group or row.images:
        return sample.group or embedded.group(row.images)
    return sample.id or "\n".join([*(turn.question for turn in row.turns), sample.question]) or place


def _tags(line: Line, fields: SplitFiles) -> dict[str, str]:
    """The words by which accuracy is told, of a row that has them."""
    places = {"{folder}": line.file.parent.name, "{file}": line.file.name.partition(".")[0]}
    found = {
        name: places[column] if column in places else line.optional(column).strip()
        for name, column in fields.tags.items()
    }
    return {name: value for name, value in found.items() if value}


def open(card: Card, root: Path, *, split: str) -> Reader:
    """A reader of one split; `root` is the card's data folder. No file is opened yet.

    Unknown format or bad `fields` block: DataError. No such split, or a card of pictures: RecipeError.
    """
    where, format = f"{card.where}: lingshu", card.lingshu.format
    fields = layouts.fields(card, root)
    if not isinstance(fields, SplitFiles):
        raise RecipeError(f"{where}.format: {format} holds labelled pictures and has no rows")
    if split not in fields.files:
        raise RecipeError(f"{where}.fields.files: no split {split!r}; it has: {', '.join(fields.files)}")
    own = card.lingshu.source.kind == "local"
    origin = Origin(card=card.name, split=split, root=root, anywhere=own)
    return Reader(format=format, fields=fields, origin=origin)
