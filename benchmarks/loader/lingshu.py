"""This project: rows and collator as the supervised stage makes them, over a corpus prepared from the same pictures."""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import timing
from torch.utils.data import DataLoader

from lingshu_train.data import images
from lingshu_train.data.cards import card as cards
from lingshu_train.data.corpus import lengths
from lingshu_train.data.corpus.writer import Kept, StoredPicture, Writer
from lingshu_train.data.order.mix import Mix
from lingshu_train.data.rows import reading
from lingshu_train.data.rows.row import Row
from lingshu_train.model import family, load
from lingshu_train.planning import recipe
from lingshu_train.runs.cluster import Cluster
from lingshu_train.training.collate import Collator
from lingshu_train.training.feed import Rows
from lingshu_train.training.limit import Limit

CARD = "loader_rows"
WANTED = recipe.load("quickstart").model.model_copy(
    update={"min_pixels": 3136, "max_pixels": 1_003_520, "base": ""}
)
"""Only the pixel budget matters here."""
FAMILY = family.of(WANTED.family)


def prepare(folder: Path) -> timing.Prepared:
    """The card's rows to a corpus, as a stage of kind prepare does."""
    started, place = time.process_time(), folder / "cache" / "lingshu"
    shutil.rmtree(place, ignore_errors=True)
    reader = reading.open(cards.load(CARD, folder=folder), folder, split="train")
    writer = Writer(place / "corpus")
    for line in reader.lines():
        writer.add([_kept(row) for row in reader.rows(line)])
    writer.finish(licences={}, budget=WANTED.budget)
    lengths.of(place / "corpus", str(folder / "model"), WANTED)
    return timing.Prepared(core_seconds=time.process_time() - started, size=timing.size(place))


def _kept(row: Row) -> Kept:
    found = []
    for picture in row.images:
        one = images.encoded(picture.data or picture.path, budget=WANTED.budget)
        digest = hashlib.sha256(one.data).hexdigest()
        found.append(
            StoredPicture(
                data=one.data,
                digest=digest,
                suffix=one.suffix,
                width=one.width,
                height=one.height,
                whole=one.whole,
            )
        )
    return Kept(sample=replace(row.sample, id=f"{CARD}/train/{row.sample.id}"), pictures=tuple(found))


def batches(folder: Path) -> Callable[[], Iterable[timing.Batch]]:
    stage: Any = SimpleNamespace(
        name="loader",
        seed=0,
        path=folder / "cache" / "stage",
        cluster=Cluster(name="loader"),
        parent=lambda name: folder / "cache" / name,
    )
    rows = Rows(
        stage,
        [Mix(corpus="lingshu")],
        source=str(folder / "model"),
        wanted=WANTED,
        limit=Limit(tokens=4096, completion=True, most=0.0),
    )
    collate = Collator(
        processor=load.processor(FAMILY, str(folder / "model"), WANTED.budget),
        packing=False,
        stored=rows.stored,
        family=FAMILY,
        model=None,
    )
    table = rows.dataset(system="", whole=True)
    return lambda: DataLoader(table, batch_size=timing.BATCH, collate_fn=collate)


if __name__ == "__main__":
    timing.main(timing.System(prepare=prepare, batches=batches, packages=("trl",)))
