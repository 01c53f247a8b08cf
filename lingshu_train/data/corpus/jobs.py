"""What a corpus is made of, as numbered jobs: rows of data sets as they stand, and questions asked of labelled pictures."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import get_args

from PIL import Image

from lingshu_train.data import images
from lingshu_train.data.cards import card as cards
from lingshu_train.data.corpus.writer import Item, Kept, Refused, Stored
from lingshu_train.data.quickstart import pool as pools
from lingshu_train.data.quickstart import tasks as questions
from lingshu_train.data.rows import reading
from lingshu_train.data.rows.formats import package_images
from lingshu_train.data.rows.lines import Line
from lingshu_train.data.rows.row import Picture
from lingshu_train.errors import DataError, MissingInput
from lingshu_train.model.shape import PictureBudget
from lingshu_train.record import Sample
from lingshu_train.verify import gold_problem

PICTURES = "package_images"
CHUNK = 64
"""Rows or questions in one job."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """How many samples of a task to make of the pictures of each split."""

    task: str
    train: int
    held_out: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """All that determines a corpus: the `splits` of each card, each as (its own name, its name here), the questions `asked`
    of labelled pictures, and the pictures' `budget`.

    `image_size` is the side of a view of a labelled picture. Pictures over the budget are fitted as the processor would
    fit them, except JPEG, which stays as it is. `least_side`: a picture with a smaller side is refused.
    """

    splits: tuple[tuple[str, tuple[tuple[str, str], ...]], ...]
    data_root: str
    asked: tuple[Asked, ...]
    image_size: int
    least_side: int
    budget: PictureBudget
    seed: int

    @property
    def cards(self) -> tuple[str, ...]:
        return tuple(name for name, _ in self.splits)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A part of the work: `lines` of a card's `own` split, or questions `start` to `stop` of a task, for `split`."""

    card: str = ""
    own: str = ""
    split: str
    lines: tuple[Line, ...] = ()
    task: str = ""
    start: int = 0
    stop: int = 0

    @property
    def where(self) -> str:
        return self.lines[0].where if self.lines else f"{self.split}/{self.task}/{self.start}"


def jobs(order: Order) -> Iterator[Job]:
    """The jobs in order: questions first, by split and task, then the rows of each card."""
    chosen = [(cards.load(name, where="cards"), splits) for name, splits in order.splits]
    if any(card.lingshu.format == PICTURES for card, _ in chosen):
        for split in get_args(package_images.Split):
            for asked in order.asked:
                count = getattr(asked, split)
                for start in range(0, count, CHUNK):
                    yield Job(split=split, task=asked.task, start=start, stop=min(start + CHUNK, count))
    for card, splits in chosen:
        if card.lingshu.format != PICTURES:
            for own, split in splits:
                for part in _chunks(_reader(order, card.name, own).lines()):
                    yield Job(card=card.name, own=own, split=split, lines=part)


def expected(order: Order) -> int | None:
    """How many rows there will be, where the cards say."""
    total = sum(asked.train + asked.held_out for asked in order.asked)
    for name, splits in order.splits:
        card = cards.load(name)
        if card.lingshu.format == PICTURES:
            continue
        for split, _ in splits:
            stated = card.lingshu.splits.get(split)
            if stated is None or stated.rows is None:
                return None
            total += stated.rows
    return total


def work(order: Order, job: Job) -> list[Item]:
    """Do one job. A bad row is refused; nothing else is affected by it."""
    if not job.task:
        return [item for line in job.lines for item in _read(order, job, line)]
    pool = _pool(order, job.split)
    made = (questions.sample(pool, job.task, n, seed=order.seed) for n in range(job.start, job.stop))
    return [
        _judged(sample, [_stored(picture, order) for picture in pictures], order) for sample, pictures in made
    ]


def _read(order: Order, job: Job, line: Line) -> Iterator[Item]:
    """The samples of one line, their ids made unique by the card's name and split."""
    modality = cards.load(job.card).lingshu.modality
    try:
        for row in _reader(order, job.card, job.own).rows(line):
            sample = replace(
                row.sample,
                id=f"{job.card}/{job.own}/{row.sample.id}",
                split=job.split,
                turns=tuple((turn.question, turn.answer) for turn in row.turns),
                modality=row.sample.modality or (modality[0] if len(modality) == 1 else ""),
            )
            yield _judged(sample, [_stored(picture, order) for picture in row.images], order)
    except (DataError, MissingInput) as fault:
        yield Refused(card=job.card, where=line.where, reason=str(fault), kind=_kind(line, str(fault)))


def _judged(sample: Sample, pictures: list[Stored], order: Order) -> Item:
    """Refuse what could not be judged or is too small to be seen."""
    problem = gold_problem(sample) if sample.question_type != "free" else None
    if problem:
        kind = f"{sample.task}: {problem}"
        return Refused(card=sample.card, where=sample.id, reason=problem, kind=kind)
    least = min((min(one.width, one.height) for one in pictures), default=order.least_side)
    if least < order.least_side:
        kind = f"image: a side under {order.least_side} pixels"
        return Refused(card=sample.card, where=sample.id, reason=f"a side of {least} pixels", kind=kind)
    return Kept(sample=sample, pictures=tuple(pictures))


def _stored(picture: Image.Image | Picture, order: Order) -> Stored:
    """A picture as the corpus keeps it, with its hash."""
    if isinstance(picture, Image.Image):
        kept = images.stored(picture, budget=order.budget)
    else:
        kept = images.stored(
            picture.data or picture.path or Path(picture.name),
            name=picture.name,
            excerpt=picture.excerpt,
            budget=order.budget,
        )
    digest = hashlib.sha256(kept.data).hexdigest()
    return Stored(data=kept.data, digest=digest, suffix=kept.suffix, width=kept.width, height=kept.height)


def _kind(line: Line, reason: str) -> str:
    """The field at fault, or that the image was."""
    own, _, rest = reason.partition(f"{line.where}: ")
    return rest.partition(":")[0] if not own and rest else "image"


def _chunks(lines: Iterable[Line]) -> Iterator[tuple[Line, ...]]:
    rest = iter(lines)
    while part := tuple(islice(rest, CHUNK)):
        yield part


@lru_cache
def _reader(order: Order, name: str, split: str) -> reading.Reader:
    card = cards.load(name)
    return reading.open(card, _here(card, order), split=split)


@lru_cache
def _pool(order: Order, split: package_images.Split) -> pools.Pool:
    """The labelled pictures of a split, read once by each process."""
    return pools.pool(_pictures(order), split, side=order.image_size)


@lru_cache(maxsize=1)
def _pictures(order: Order) -> tuple[package_images.Picture, ...]:
    chosen = [card for name in order.cards if (card := cards.load(name)).lingshu.format == PICTURES]
    return tuple(picture for card in chosen for picture in package_images.pictures(card, _here(card, order)))


def _here(card: cards.Card, order: Order) -> Path:
    found = cards.root(card, Path(order.data_root))
    assert found is not None, "prepare() has checked that the data is there"
    return found
