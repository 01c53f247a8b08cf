"""Answers to a stage's questions, divided among its ranks and kept as they come: after a kill nothing is asked twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from lingshu_train import dist
from lingshu_train.evaluation.asking import Asking, Gallery
from lingshu_train.evaluation.benchmarks.answering import ask, key, unanswered
from lingshu_train.evaluation.benchmarks.journal import Journal
from lingshu_train.evaluation.benchmarks.measuring import Opens
from lingshu_train.record import Completion, Sample


def answered(
    opens: Opens, samples: Sequence[Sample], gallery: Gallery, asking: Asking, folder: Path
) -> tuple[Completion, ...]:
    """An answer to every sample, in their order, on every rank. Each rank asks its own engine its share.

    Answers are kept below `folder`, a file a rank, and those of all files count, whatever number of ranks wrote them. The
    engine is opened where any rank has something left to ask, and then by all: some engines are started together.
    """
    here = dist.place()
    mine = samples[here.rank :: here.world_size]
    others = sorted(folder.glob("*.jsonl")) if folder.is_dir() else []
    with Journal(folder / f"{here.rank:04}.jsonl", others) as journal:
        left = unanswered(mine, journal, asking)
        if any(dist.gather(len(left))):
            shown = asking if here.first else replace(asking, title="")
            with opens() as engine:
                ask(mine, left, journal, engine, shown, gallery=gallery)
        parts = dist.gather([journal[key(sample, asking)] for sample in mine])
    return tuple(parts[n % here.world_size][n // here.world_size] for n in range(len(samples)))
