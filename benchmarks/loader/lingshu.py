"""This project: rows and collator as the supervised stage makes them, over a corpus prepared from the same pictures."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import timing
from torch.utils.data import DataLoader

from lingshu_train.data import card as cards
from lingshu_train.data import corpus, images
from lingshu_train.data.formats import llava_conversations
from lingshu_train.model import processor
from lingshu_train.trainers.collate import Collator
from lingshu_train.trainers.rows import Rows

CARD = "loader_rows"


def prepare(folder: Path) -> timing.Prepared:
    """The card's rows to a corpus, as a stage of kind prepare does."""
    started, place = time.process_time(), folder / "cache" / "lingshu"
    shutil.rmtree(place, ignore_errors=True)
    card = cards.load(CARD, folder=folder)
    corpus.write(place / "corpus", _rows(card, folder), cards=[card])
    return timing.Prepared(core_seconds=time.process_time() - started, size=timing.size(place))


def _rows(card: cards.Card, folder: Path) -> Iterator[corpus.Row]:
    for row in llava_conversations.rows(card, folder, split="train"):
        pictures = tuple(images.read(folder / picture.name, data=picture.data) for picture in row.images)
        yield replace(row.sample, id=f"{CARD}/train/{row.sample.id}"), pictures


def batches(folder: Path) -> Callable[[], Iterable[timing.Batch]]:
    stage: Any = SimpleNamespace(name="loader", parent=lambda name: folder / "cache" / name)
    rows = Rows(stage, [SimpleNamespace(corpus="lingshu", tasks=(), split="train")])
    collate = Collator(
        processor=processor.load(str(folder / "model"), min_pixels=3136, max_pixels=1_003_520),
        max_length=4096,
        packing=False,
        samples=rows.samples,
        rope_index=lambda **_: None,
    )
    table = rows.dataset(system="", with_completion=True)
    return lambda: DataLoader(table, batch_size=timing.BATCH, collate_fn=collate)


if __name__ == "__main__":
    timing.main(timing.System(prepare=prepare, batches=batches, packages=("trl",)))
