"""Prepared corpora to what TRL reads: a mixture of chosen rows, in an order that is a function of the seed."""

from __future__ import annotations

import math
import os
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import accumulate
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from datasets import Dataset
from PIL import Image

from lingshu_train import dist, naming
from lingshu_train.data import chat
from lingshu_train.data.corpus import corpus, lengths
from lingshu_train.data.corpus.corpus import Corpus
from lingshu_train.data.corpus.lengths import COMPLETION, PATCHES, PROMPT
from lingshu_train.data.order.mix import Mix
from lingshu_train.data.order.mixture import Ingredient, Mixture, Wish, draws_for
from lingshu_train.data.order.selection import Chosen, Selection
from lingshu_train.data.questions.opened import opened
from lingshu_train.errors import DataError
from lingshu_train.model.settings import Settings
from lingshu_train.record import Sample
from lingshu_train.runs.files import failure
from lingshu_train.runs.stage import Stage
from lingshu_train.training import selected

Numbers = npt.NDArray[np.int64]
Columns = Mapping[str, list[object]]
"""What TRL reads of a batch of rows, a list of one length for each name."""
_BLOCK = 1 << 20
"""Rows looked at together: what is in memory at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """Rows of more than `tokens`, or of more than `patches`, are left out and counted; DataError where they are more than
    the share `most` of a corpus. `completion` says whether the completion counts too, or the prompt alone."""

    tokens: int
    completion: bool
    most: float
    patches: int | None = None

    def __str__(self) -> str:
        return f"{self.tokens:,} tokens" + (f" or {self.patches:,} patches" if self.patches else "")


class Rows:
    """The chosen rows of a mixture, each known by one number; `row(n)` is the number of the n-th sample of training.

    `left_out` counts the rows that were too long, by corpus.
    """

    def __init__(
        self,
        stage: Stage,
        mixture: Sequence[Mix],
        *,
        source: str,
        wanted: Settings,
        limit: Limit,
        select: Selection | None = None,
    ) -> None:
        where = f"stages.{stage.name}.data"
        self.left_out: dict[str, int] = {}
        self._corpora: list[Corpus] = []
        self._tables: list[lengths.Table] = []
        for index, mix in enumerate(mixture):
            found = _load(stage, mix)
            table = _table(stage, found, source, wanted)
            fit = _fitting(found, table, limit, where=f"{where}.{index}")
            self.left_out[mix.corpus] = self.left_out.get(mix.corpus, 0) + len(found) - len(fit)
            self._corpora.append(fit)
            self._tables.append(table)
        self._starts = list(accumulate((len(found) for found in self._corpora), initial=0))
        self._folder = stage.path
        self._selected: Chosen | None = None
        if select is None:
            parts = _ingredients(mixture, self._corpora, where=where)
        else:
            self._selected = selected.choose(
                stage.path, self._corpora, select, seed=stage.seed, where=f"stages.{stage.name}.selection"
            )
            size = len(self._selected.rows)
            parts = (Ingredient(rows=size, draws=size),)
        self.mixture = Mixture(parts, stage.seed)
        # A GRPO group is the same row several times over.
        self._pictures = lru_cache(maxsize=16)(self._decoded)

    def __len__(self) -> int:
        """Samples of one epoch of the mixture."""
        return self.mixture.size

    def items(self, epochs: float) -> int:
        """How many items the loader yields in so many epochs."""
        return math.ceil(epochs * len(self))

    def cover(self, items: int) -> None:
        """Any number of items can be asked for."""

    def epoch(self, n: int) -> float:
        """Epochs done after `n` items."""
        return n / len(self)

    def row(self, n: int) -> int:
        ingredient, row = self.mixture.locate(n)
        return row if self._selected else self._starts[ingredient] + row

    def rows(self, start: int, stop: int) -> Numbers:
        """`row(n)` of n from `start` to `stop`."""
        ingredients, rows = self.mixture.locate_many(np.arange(start, stop))
        return rows if self._selected else np.asarray(self._starts)[ingredients] + rows

    def costs(self, rows: Numbers) -> tuple[Numbers, Numbers]:
        """Tokens and patches of rows as they stand in the corpus; not for a selection."""
        tokens, patches = np.empty(len(rows), np.int64), np.empty(len(rows), np.int64)
        ingredients = np.searchsorted(self._starts, rows, side="right") - 1
        for number, (found, table) in enumerate(zip(self._corpora, self._tables, strict=True)):
            chosen = ingredients == number
            here = rows[chosen] - self._starts[number]
            costs = table[here if found.chosen is None else found.chosen[here]]
            tokens[chosen] = costs[:, PROMPT] + costs[:, COMPLETION]
            patches[chosen] = costs[:, PATCHES]
        return tokens, patches

    def tokens(self, rows: Sequence[int]) -> list[int]:
        """Stored lengths of rows."""
        return [int(count) for count in self.costs(np.asarray(rows))[0]]

    def sample(self, row: int) -> Sample:
        found, n = self._find(row)
        sample = found.sample(n)
        return opened(sample) if self._selected and self._selected.opened[row] else sample

    def dataset(self, *, system: str, with_completion: bool) -> Dataset:
        """What TRL reads: see `columns`."""

        def read(batch: dict[str, list[int]]) -> Columns:
            return self.columns(batch["row"], system=system, with_completion=with_completion)

        size = len(self._selected.rows) if self._selected else self._starts[-1]
        return numbered(self._folder, size).with_transform(read)

    def columns(self, rows: Sequence[int], *, system: str, with_completion: bool) -> Columns:
        """Row, prompt, images (decoded and checked when read) and completion of rows."""
        chosen = [self.sample(row) for row in rows]
        columns: dict[str, list[object]] = {
            "row": list(rows),
            "prompt": [chat.prompt(sample, system=system) for sample in chosen],
            "images": [list(self._pictures(row)) for row in rows],
        }
        if with_completion:
            columns["completion"] = [chat.completion(sample) for sample in chosen]
        return columns

    def digest(self, rows: Sequence[int] | Numbers) -> str:
        """Short name of a list of rows, in order: what a ledger line says it trained on."""
        return naming.digest([self.sample(int(row)).id for row in rows])[:12]

    def _decoded(self, row: int) -> tuple[Image.Image, ...]:
        found, n = self._find(row)
        return found.pictures(n)

    def _find(self, row: int) -> tuple[Corpus, int]:
        row = int(self._selected.rows[row]) if self._selected else row
        ingredient = bisect_right(self._starts, row) - 1
        return self._corpora[ingredient], row - self._starts[ingredient]


def _ingredients(mixture: Sequence[Mix], corpora: Sequence[Corpus], *, where: str) -> tuple[Ingredient, ...]:
    wishes = [
        Wish(name=f"{where}.{index}", rows=len(found), repeat=mix.repeat, share=mix.share, limit=mix.limit)
        for index, (mix, found) in enumerate(zip(mixture, corpora, strict=True))
    ]
    draws = draws_for(wishes)
    return tuple(Ingredient(rows=wish.rows, draws=count) for wish, count in zip(wishes, draws, strict=True))


def numbered(folder: Path, size: int) -> Dataset:
    """A data set whose column `row` counts from 0, memory-mapped from a file in `folder`."""
    path = folder / f"numbers-{size}.arrow"
    if not path.is_file():
        beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            schema = pa.schema([("row", pa.uint32())])
            with pa.OSFile(str(beside), "wb") as sink, pa.ipc.new_stream(sink, schema) as writer:
                for start in range(0, size, _BLOCK):
                    part = np.arange(start, min(start + _BLOCK, size), dtype=np.uint32)
                    writer.write_batch(pa.record_batch([pa.array(part)], schema=schema))
            beside.replace(path)
        except OSError as fault:
            raise failure(path, fault) from None
    return Dataset.from_file(str(path))


def num_steps(*, steps: int | None, items: int, per_step: int, multiple: int = 1) -> int:
    """Optimizer steps of a stage: given, or as many as `items` need, rounded up to whole windows."""
    return math.ceil(math.ceil(items / per_step) / multiple) * multiple if steps is None else steps


def _load(stage: Stage, mix: Mix) -> Corpus:
    return corpus.load(
        stage.parent(mix.corpus) / "corpus",
        split=mix.split,
        tasks=mix.tasks,
        card=mix.cards,
        question_type=mix.question_types,
        modality=mix.modalities,
    )


def _table(stage: Stage, found: Corpus, source: str, wanted: Settings) -> lengths.Table:
    """The first rank measures where nobody has; the others read."""
    if dist.place().first:
        lengths.of(found.folder, source, wanted, workers=stage.cluster.threads)
    dist.barrier()
    return lengths.of(found.folder, source, wanted)


def _fitting(found: Corpus, table: lengths.Table, limit: Limit, *, where: str) -> Corpus:
    """The rows within the limit."""
    parts = [
        _too_long(found, table, limit, slice(start, min(start + _BLOCK, len(found))))
        for start in range(0, len(found), _BLOCK)
    ]
    long = np.concatenate(parts) if parts else np.zeros(0, np.bool_)
    count = int(long.sum())
    if not count:
        return found
    if count > limit.most * len(found):
        number = int(np.flatnonzero(long)[0])
        tokens = int(table[found.row(number), : COMPLETION + limit.completion].sum())
        raise DataError(
            f"{where}: {count:,} of {len(found):,} rows are longer than {limit}, more than most_too_long={limit.most:g} "
            f"allows; the first is {found.sample(number).id} ({tokens:,} tokens); raise the limit or most_too_long, or lower "
            "model.max_pixels"
        )
    chosen = np.arange(len(found), dtype=np.uint32) if found.chosen is None else found.chosen
    return replace(found, chosen=chosen[~long])


def _too_long(found: Corpus, table: lengths.Table, limit: Limit, part: slice) -> npt.NDArray[np.bool_]:
    """Which rows of a part are over the limit."""
    lines = table[part if found.chosen is None else found.chosen[part]]
    long: npt.NDArray[np.bool_] = lines[:, : COMPLETION + limit.completion].sum(axis=1) > limit.tokens
    if limit.patches is not None:
        long |= lines[:, PATCHES] > limit.patches
    return long
