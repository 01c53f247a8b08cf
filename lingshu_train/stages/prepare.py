"""Data cards to a corpus: pictures are asked questions, rows are read as they stand."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args

from pydantic import Field

from lingshu_train.data import card as cards
from lingshu_train.data import corpus, images, questions, reading
from lingshu_train.data import pool as pools
from lingshu_train.data.formats import package_images
from lingshu_train.errors import MissingInput, RecipeError
from lingshu_train.runs.stage import Stage
from lingshu_train.schema import Strict, parse
from lingshu_train.stages._config import Provided, StageConfig

OUTPUTS = ("corpus",)
PICTURES = "package_images"


class Counts(Strict):
    """How many samples of a task to make for each split."""

    train: int = Field(default=0, ge=0)
    held_out: int = Field(default=0, ge=0)


class Config(StageConfig):
    """Cards of labelled pictures are asked the `questions` (tasks of data/questions.py, with counts) at `image_size`
    pixels, a multiple of 28; cards of rows are read whole, those of `splits`."""

    provides: ClassVar[Provided | None] = "corpus"

    kind: Literal["prepare"]
    cards: tuple[str, ...] = Field(min_length=1)
    image_size: int = Field(default=56, gt=0, multiple_of=28)
    questions: dict[str, Counts] = Field(default_factory=dict)
    splits: tuple[str, ...] = ("train",)

    @property
    def card_names(self) -> tuple[str, ...]:
        return self.cards

    def check(self, where: str) -> None:
        for task in self.questions:
            if task not in questions.TASKS:
                raise RecipeError(
                    f"{where}.questions: unknown task {task!r}; there are: {', '.join(questions.TASKS)}"
                )


def missing(config: Config, data_root: Path) -> list[str]:
    """One line for every card whose data is not on this machine, with the way to get it."""
    lines = []
    for name in config.cards:
        card = cards.load(name, where="cards")
        if cards.root(card, data_root) is None:
            source = card.lingshu.source
            lines.append(f"{name}: {source.name} is not on this machine; {source.how_to_get}")
    return lines


def run(stage: Stage) -> dict[str, Any]:
    """Write `corpus/` below the stage's folder. Returns its summary for the manifest."""
    config = parse(Config, stage.config, where=f"stage {stage.name}", error=RecipeError)
    config.check(f"stage {stage.name}")
    absent = missing(config, Path(stage.data_root))
    if absent:
        raise MissingInput("; ".join(absent))
    chosen = [cards.load(name, where="cards") for name in config.cards]
    folder = stage.path / OUTPUTS[0]
    shutil.rmtree(folder, ignore_errors=True)
    summary = corpus.write(folder, _rows(config, chosen, stage), cards=chosen)
    return summary.model_dump(mode="json")


def _rows(config: Config, chosen: list[cards.Card], stage: Stage) -> Iterator[questions.Row]:
    root = Path(stage.data_root)
    pictures = list(_pictures([card for card in chosen if card.lingshu.format == PICTURES], root))
    for split in get_args(package_images.Split) if pictures else ():
        pool = pools.pool(pictures, split, side=config.image_size)
        for task, counts in config.questions.items():
            yield from questions.samples(pool, task, getattr(counts, split), seed=stage.seed)
    for card in chosen:
        if card.lingshu.format != PICTURES:
            yield from _read(card, root, config.splits)


def _pictures(chosen: list[cards.Card], data_root: Path) -> Iterator[package_images.Picture]:
    for card in chosen:
        yield from package_images.pictures(card, _here(card, data_root))


def _read(card: cards.Card, data_root: Path, splits: tuple[str, ...]) -> Iterator[questions.Row]:
    """The rows of one card, their ids made unique by the card's name and split."""
    for split in splits:
        for row in reading.open(card, _here(card, data_root), split=split):
            turns = tuple((turn.question, turn.answer) for turn in row.turns)
            sample = replace(row.sample, id=f"{card.name}/{split}/{row.sample.id}", turns=turns)
            pictures = tuple(
                images.read(picture.path or Path(picture.name), data=picture.data, excerpt=picture.excerpt)
                for picture in row.images
            )
            yield sample, pictures


def _here(card: cards.Card, data_root: Path) -> Path:
    found = cards.root(card, data_root)
    assert found is not None, "run() has checked that the data is there"
    return found
