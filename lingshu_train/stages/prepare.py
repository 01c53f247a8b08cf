"""Stage kind `prepare`: reads the pictures of data cards, asks questions about them, writes a corpus."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args

from pydantic import ConfigDict, Field

from lingshu_train.data import card as cards
from lingshu_train.data import corpus, questions
from lingshu_train.data import pool as pools
from lingshu_train.data.formats import package_images
from lingshu_train.errors import MissingInput, RecipeError
from lingshu_train.runs.stage import Stage
from lingshu_train.schema import Strict, parse
from lingshu_train.stages._config import StageConfig

OUTPUTS = ("corpus",)
FORMAT = "package_images"


class Counts(Strict):
    """How many samples of a task to make for each split."""

    train: int = Field(default=0, ge=0)
    held_out: int = Field(default=0, ge=0)


class Config(StageConfig):
    """`questions` maps tasks (data/questions.py) to counts. `image_size` (pixels) is a multiple of 28."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False)
    distributed: ClassVar[bool] = False

    kind: Literal["prepare"]
    cards: tuple[str, ...] = Field(min_length=1)
    image_size: int = 56
    questions: dict[str, Counts]

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
    pictures = list(_pictures(chosen, Path(stage.data_root)))
    for split in get_args(package_images.Split):
        pool = pools.pool(pictures, split, side=config.image_size)
        for task, counts in config.questions.items():
            yield from questions.samples(pool, task, getattr(counts, split), seed=stage.seed)


def _pictures(chosen: list[cards.Card], data_root: Path) -> Iterator[package_images.Picture]:
    for card in chosen:
        if card.lingshu.format != FORMAT:
            raise RecipeError(
                f"cards: {card.name} has format {card.lingshu.format!r}; prepare asks about {FORMAT!r} only"
            )
        root = cards.root(card, data_root)
        assert root is not None, "run() has checked that the data is there"
        yield from package_images.pictures(card, root)
