"""Prepared corpora to the rows TRL reads."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Protocol

from datasets import Dataset

from lingshu_train import naming
from lingshu_train.data import chat, corpus
from lingshu_train.errors import DataError
from lingshu_train.record import Sample
from lingshu_train.runs.stage import Stage


class _Mix(Protocol):
    corpus: str
    tasks: tuple[str, ...]
    split: str


class Rows:
    """The samples of a mixture in a fixed order, each with the corpus its images lie in."""

    def __init__(self, stage: Stage, mixture: Sequence[_Mix]) -> None:
        self.samples: list[Sample] = []
        self._corpora: list[corpus.Corpus] = []
        for mix in mixture:
            found = corpus.load(stage.parent(mix.corpus) / "corpus", split=mix.split, tasks=mix.tasks)
            self.samples.extend(found.samples)
            self._corpora.extend([found] * len(found.samples))
        if not self.samples:
            raise DataError(f"stages.{stage.name}.data: the mixture holds no sample")

    def __len__(self) -> int:
        return len(self.samples)

    def dataset(self, *, system: str, with_completion: bool) -> Dataset:
        """What TRL reads: row (index into `samples`), prompt, images (decoded and checked when read), completion."""

        # A GRPO group is the same row several times over.
        @lru_cache(maxsize=16)
        def decoded(row: int) -> tuple[Any, ...]:
            return self._corpora[row].images(self.samples[row])

        def read(batch: dict[str, list[int]]) -> dict[str, list[Any]]:
            chosen = [self.samples[row] for row in batch["row"]]
            columns: dict[str, list[Any]] = {
                "row": list(batch["row"]),
                "prompt": [chat.prompt(sample, system=system) for sample in chosen],
                "images": [list(decoded(row)) for row in batch["row"]],
            }
            if with_completion:
                columns["completion"] = [chat.completion(sample) for sample in chosen]
            return columns

        return Dataset.from_dict({"row": list(range(len(self)))}).with_transform(read)

    def digest(self, rows: Sequence[int]) -> str:
        """Short name of a list of rows, in order: what a ledger line says it trained on."""
        return naming.digest([self.samples[row].id for row in rows])[:12]


def num_steps(*, steps: int | None, epochs: float | None, rows: int, per_step: int, multiple: int = 1) -> int:
    """Optimizer steps of a stage: given, or the epochs' worth of rows rounded up to whole windows."""
    if steps is not None:
        return steps
    wanted = math.ceil((epochs or 0) * rows / per_step)
    return math.ceil(wanted / multiple) * multiple
