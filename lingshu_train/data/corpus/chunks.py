"""What a corpus is made of, in numbered chunks: rows of data sets as they stand, and questions asked of labelled pictures.

What a chunk gives depends on the specification alone, not on who does the work or when.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from itertools import islice

from PIL import Image

from lingshu_train.data import images
from lingshu_train.data.cards.card import Card
from lingshu_train.data.corpus import leaks
from lingshu_train.data.corpus.admission import PROPORTIONS, admitted
from lingshu_train.data.corpus.leaks import Compared
from lingshu_train.data.corpus.specification import Specification
from lingshu_train.data.corpus.writer import Kept, LeftOut, Outcome, Refused, StoredPicture
from lingshu_train.data.images.opening import NoFile
from lingshu_train.data.rows import layouts, reading
from lingshu_train.data.rows.layouts import PictureLayout, Questions, RowLayout
from lingshu_train.data.rows.line import Line
from lingshu_train.data.rows.row import NoPicture, Picture, Row, Skipped
from lingshu_train.errors import DataError, MissingInput, RecipeError
from lingshu_train.model.shape import Unfit

CHUNK = 64
"""Rows or questions in one chunk: seconds of work with large pictures, so that handing it to a process costs nothing beside
it, and some ten megabytes of results, so that several chunks may wait for their turn to be written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowChunk:
    """Some lines of a card's `own` split, for `split` of the corpus. `compared`: its rows are held against those of others."""

    card: str
    own: str
    split: str
    lines: tuple[Line, ...]
    compared: bool = False

    @property
    def where(self) -> str:
        return self.lines[0].where

    def outcomes(self, wanted: Specification) -> list[Outcome]:
        """A bad row is refused; nothing else is affected by it."""
        # Looked for once a chunk: finding a card asks the disk for several folders.
        card, reader = wanted.card(self.card), _reader(wanted, self.card, self.own)
        return [outcome for line in self.lines for outcome in self._outcomes(line, card, reader, wanted)]

    def _outcomes(
        self, line: Line, card: Card, reader: reading.Reader, wanted: Specification
    ) -> Iterator[Outcome]:
        for row, outcome in verdicts(
            line, reader.all(line), card=card, splits=(self.own, self.split), wanted=wanted, stored=stored
        ):
            if self.compared and row is not None and isinstance(outcome, Kept):
                pictures = tuple((one.name, leaks.digest(one)) for one in row.images)
                yield replace(outcome, compared=Compared(where=line.where, pictures=pictures))
            else:
                yield outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionChunk:
    """Questions `start` to `stop` of a task, for `split`."""

    split: str
    task: str
    start: int
    stop: int

    @property
    def where(self) -> str:
        return f"{self.split}/{self.task}/{self.start}"

    def outcomes(self, wanted: Specification) -> list[Outcome]:
        asking = _questions(wanted)[self.task]
        made = (asking.sample(self.split, self.task, n) for n in range(self.start, self.stop))
        return [
            admitted(sample, [stored(picture, wanted) for picture in pictures], wanted)
            for sample, pictures in made
        ]


NOT_HERE = "a picture that is not in this part of the set"
"""Why a row is left out of which a part lies here on purpose."""

Chunk = RowChunk | QuestionChunk
Storing = Callable[[Picture, Specification], StoredPicture]


def verdicts(
    line: Line,
    rows: Iterator[Row | Skipped],
    *,
    card: Card,
    splits: tuple[str, str],
    wanted: Specification,
    stored: Storing,
) -> Iterator[tuple[Row | None, Outcome]]:
    """What becomes of each row of one line, for whoever prepares it or checks it: the one place that decides.

    `splits`: the card's own name of the split, and its name in the corpus. `stored` makes a picture as the corpus keeps it.
    What `rows` or `stored` raises (DataError, MissingInput) refuses the row and ends the line; of a card of which a part lies
    here, a row whose picture is not there is left out, by name.
    """
    own, split = splits
    modality = card.lingshu.modality
    try:
        for row in rows:
            if isinstance(row, Skipped):
                yield None, LeftOut(card=card.name, reason=row.reason, stated=row.stated, own=own)
                continue
            sample = replace(
                row.sample,
                id=f"{card.name}/{own}/{row.sample.id}",
                split=split,
                turns=tuple((turn.question, turn.answer) for turn in row.turns),
                modality=row.sample.modality or (modality[0] if len(modality) == 1 else ""),
            )
            found = admitted(sample, [stored(picture, wanted) for picture in row.images], wanted)
            if isinstance(found, Kept):
                kept, shown = found.sample, found.pictures
                found = Kept(sample=kept, pictures=shown, notes=row.notes, told=row.told, own=own)
            elif isinstance(found, Refused):
                found = replace(found, where=line.where, own=own)
            yield row, found
    except (DataError, MissingInput) as fault:
        if card.name in wanted.part and isinstance(fault, NoPicture | NoFile):
            yield None, LeftOut(card=card.name, reason=NOT_HERE, where=line.where, told=str(fault), own=own)
            return
        kind = _kind(line, fault)
        yield None, Refused(card=card.name, where=line.where, reason=str(fault), kind=kind, own=own)


def chunks(wanted: Specification, compared: Collection[str] = ()) -> Iterator[Chunk]:
    """The chunks in order: questions first, by split and task, then the rows of each card. `compared`: cards whose rows are
    held against others."""
    yield from _asked(wanted)
    for (_, splits), card in zip(wanted.splits, wanted.loaded(), strict=True):
        if isinstance(layouts.of(card), RowLayout):
            for own, split in splits:
                for lines in _parts(_reader(wanted, card.name, own).lines()):
                    yield RowChunk(
                        card=card.name, own=own, split=split, lines=lines, compared=card.name in compared
                    )


def expected(wanted: Specification) -> int | None:
    """How many rows there will be, where the cards say."""
    total = sum(chunk.stop - chunk.start for chunk in _asked(wanted))
    for (_, splits), card in zip(wanted.splits, wanted.loaded(), strict=True):
        for own, _ in splits if isinstance(layouts.of(card), RowLayout) else ():
            stated = card.lingshu.splits.get(own)
            if stated is None or stated.rows is None:
                return None
            total += stated.rows
    return total


def work(wanted: Specification, chunk: Chunk) -> list[Outcome]:
    """What comes of one chunk; for other processes, which can be sent a function of a module and no method."""
    return chunk.outcomes(wanted)


def _asked(wanted: Specification) -> Iterator[QuestionChunk]:
    """The questions by split and task. RecipeError: no layout of the cards' pictures has such a task."""
    known = layouts.tasks(wanted.loaded())
    if not known:
        return
    for asked in wanted.asked:
        if asked.task not in known:
            raise RecipeError(f"questions: unknown task {asked.task!r}; there are: {', '.join(known)}")
    for split in dict.fromkeys(split for asked in wanted.asked for split in asked.counts):
        for asked in wanted.asked:
            count = asked.counts[split]
            for start in range(0, count, CHUNK):
                stop = min(start + CHUNK, count)
                yield QuestionChunk(split=split, task=asked.task, start=start, stop=stop)


def _parts(lines: Iterable[Line]) -> Iterator[tuple[Line, ...]]:
    rest = iter(lines)
    while part := tuple(islice(rest, CHUNK)):
        yield part


@lru_cache
def _reader(wanted: Specification, name: str, own: str) -> reading.Reader:
    card = wanted.card(name)
    return reading.open(card, wanted.folder(card), split=own)


@lru_cache(maxsize=1)
def _questions(wanted: Specification) -> dict[str, Questions]:
    """Task -> the questions of the first layout that has it. Each process reads the pictures once."""
    found: dict[str, Questions] = {}
    pictured: dict[str, list[Card]] = {}
    for card in wanted.loaded():
        pictured.setdefault(card.lingshu.format, []).append(card)
    for alike in pictured.values():
        layout = layouts.of(alike[0])
        if isinstance(layout, PictureLayout):
            here = [(card, wanted.folder(card)) for card in alike]
            asking = layout.questions(here, side=wanted.image_size, seed=wanted.seed)
            found = {**dict.fromkeys(layout.TASKS, asking), **found}
    return found


def stored(picture: Image.Image | Picture, wanted: Specification) -> StoredPicture:
    """A picture as the corpus keeps it, with its hash. DataError: it is not there, or damaged; Unfit: no budget holds it."""
    encoded = partial(images.encoded, budget=wanted.budget)
    if isinstance(picture, Image.Image):
        kept = encoded(picture)
    else:
        kept = encoded(picture.source(), name=picture.name, excerpt=picture.excerpt)
    digest = hashlib.sha256(kept.data).hexdigest()
    return StoredPicture(
        data=kept.data,
        digest=digest,
        suffix=kept.suffix,
        width=kept.width,
        height=kept.height,
        whole=kept.whole,
        moved=kept.moved,
    )


def _kind(line: Line, fault: DataError | MissingInput) -> str:
    """The field at fault, or that the image was."""
    if isinstance(fault, Unfit):
        return PROPORTIONS
    own, _, rest = str(fault).partition(f"{line.where}: ")
    return rest.partition(":")[0] if not own and rest else "image"
