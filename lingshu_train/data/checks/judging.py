"""The rows of one split, each given the verdict that preparing would give it, a few lines at a time."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from lingshu_train.data.cards.card import Card
from lingshu_train.data.checks.pictures import Pictures
from lingshu_train.data.corpus import chunks
from lingshu_train.data.corpus.specification import Specification
from lingshu_train.data.corpus.writer import Kept, Outcome
from lingshu_train.data.rows.line import Line
from lingshu_train.data.rows.reading import Reader
from lingshu_train.data.rows.row import Row, Skipped
from lingshu_train.errors import DataError, MissingInput

LINES, BATCH = 64, 32
"""Lines, and pictures, that are looked at together; what they hold in memory is bounded by it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One row, or what stands for rows that cannot be read, with its verdict. `again`: it was told of before, and is now
    judged with its pictures decoded."""

    line: Line
    row: Row | None
    outcome: Outcome
    again: bool = False


@dataclass(slots=True, kw_only=True)
class Judging:
    """Judges the rows of a split. `sample` None decodes every picture, a number so many, chosen by their sha256.

    `after_chunk` is called where preparing would look whether too many rows are refused.
    """

    card: Card
    split: str
    wanted: Specification
    pictures: Pictures
    sample: int | None
    after_chunk: Callable[[], None]
    chosen: list[tuple[int, int, str, Line, Row]] = field(default_factory=list)
    digests: set[str] = field(default_factory=set)
    order: Iterator[int] = field(default_factory=itertools.count)

    def rows(self, reader: Reader) -> Iterator[Judged]:
        """Every row in order, and last those of the sample again. DataError, MissingInput: a file is torn, after the rows
        before it, or is not there."""
        count = 0
        for block in blocks(reader, self.pictures):
            for one in block:
                count += 1
                line = one.line
                for judged in self._verdicts(line, one.rows()):
                    yield judged
                    if judged.row is not None and isinstance(judged.outcome, Kept) and self.sample:
                        self._choose(line, judged.row, self.sample)
                if not count % chunks.CHUNK:
                    self.after_chunk()
        yield from self._sampled()

    def _verdicts(
        self, line: Line, rows: Iterator[Row | Skipped], *, again: bool = False
    ) -> Iterator[Judged]:
        found = chunks.verdicts(
            line,
            rows,
            card=self.card,
            splits=(self.split, self.split),
            wanted=self.wanted,
            stored=self.pictures.stored,
        )
        for row, outcome in found:
            yield Judged(line=line, row=row, outcome=outcome, again=again)

    def _choose(self, line: Line, row: Row, most: int) -> None:
        """Keep the rows of the `most` pictures with the smallest digests: any pictures, and the same ones each time."""
        for picture in row.images:
            digest = self.pictures.of(picture).digest
            if digest in self.digests:
                continue
            self.digests.add(digest)
            heapq.heappush(self.chosen, (-int(digest, 16), next(self.order), digest, line, row))
            if len(self.chosen) > most:
                self.digests.discard(heapq.heappop(self.chosen)[2])

    def _sampled(self) -> Iterator[Judged]:
        told: set[int] = set()
        for _, _, _, line, row in self.chosen:
            if id(row) not in told:
                told.add(id(row))
                self.pictures.look(row.images, decode=True)
                yield from self._verdicts(line, iter((row,)), again=True)


@dataclass(frozen=True, slots=True)
class Read:
    """The rows of a line, and the fault that ends it."""

    line: Line
    found: tuple[Row | Skipped, ...]
    fault: DataError | MissingInput | None

    @property
    def kept(self) -> Iterator[Row]:
        """The rows, without what stands for skipped ones."""
        return (one for one in self.found if isinstance(one, Row))

    def rows(self) -> Iterator[Row | Skipped]:
        """As the reader hands them out."""
        yield from self.found
        if self.fault:
            raise self.fault


def blocks(reader: Reader, pictures: Pictures) -> Iterator[list[Read]]:
    """Some lines at a time, their pictures looked at. What ends the file comes after the lines before it."""
    block: list[Read] = []
    count = 0
    fault: DataError | MissingInput | None = None
    try:
        for line in reader.lines():
            block.append(_read(reader, line))
            count += sum(len(row.images) for row in block[-1].kept)
            if len(block) == LINES or count >= BATCH:
                yield _looked(block, pictures)
                block, count = [], 0
    except (DataError, MissingInput) as torn:
        fault = torn
    yield _looked(block, pictures)
    if fault:
        raise fault


def _looked(block: list[Read], pictures: Pictures) -> list[Read]:
    pictures.look(picture for read in block for row in read.kept for picture in row.images)
    return block


def _read(reader: Reader, line: Line) -> Read:
    found: list[Row | Skipped] = []
    try:
        for one in reader.all(line):
            found.append(one)
    except (DataError, MissingInput) as fault:
        return Read(line, tuple(found), fault)
    return Read(line, tuple(found), None)
