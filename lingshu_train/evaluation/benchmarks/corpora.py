"""The questions of a benchmark, read from its data cards into a corpus that lies beside the data and is used again."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from lingshu_train.data.corpus import corpus, preparing, specification
from lingshu_train.data.corpus.lazily import Rows
from lingshu_train.evaluation.benchmarks.measuring import Questions
from lingshu_train.evaluation.benchmarks.suite import Benchmark
from lingshu_train.model import shape
from lingshu_train.model.settings import FAMILY


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where data lies, whether only a part of it does, and which share of refused rows is still borne."""

    data_root: Path
    part: bool = False
    most_refused: float = 0.05


def questions(benchmark: Benchmark, place: Place) -> Questions:
    """Prepare the benchmark's cards, or find that prepared already. MissingInput (66): their data is not here."""
    model = shape.of(FAMILY)
    wanted = specification.of_rows(
        list(benchmark.cards),
        sorted(set(benchmark.cards.values())),
        data_root=place.data_root,
        least_side=1,
        model=model,
        budget=model.published_budget(),
        part=place.part,
    )
    folder = place.data_root / "prepared" / preparing.name(wanted)
    preparing.prepare(folder, wanted, workers=os.cpu_count() or 1, most_refused=place.most_refused)
    found = corpus.load(folder)
    return Questions(benchmark=benchmark, samples=Rows(found), gallery=found.image)
