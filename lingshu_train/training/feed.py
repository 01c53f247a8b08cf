"""Prepared corpora to what TRL reads: a mixture of chosen rows, in an order that is a function of the seed."""

from __future__ import annotations

import math
import os
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import replace
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
from lingshu_train.data.corpus import corpus, lengths, taught, withdrawn
from lingshu_train.data.corpus.corpus import Corpus
from lingshu_train.data.corpus.table import PATCHES, TAUGHT, WHOLE, Table
from lingshu_train.data.corpus.taught import Taught
from lingshu_train.data.corpus.withdrawn import Flags
from lingshu_train.data.order.consented import ConsentedLate
from lingshu_train.data.order.mix import Mix, ingredients
from lingshu_train.data.order.mixture import Ingredient, Mixture
from lingshu_train.data.order.selection import Chosen, Selection
from lingshu_train.data.questions.opened import opened
from lingshu_train.errors import DataError
from lingshu_train.model.settings import Settings
from lingshu_train.record import Message, Sample
from lingshu_train.runs.files import failure
from lingshu_train.runs.stage import Stage
from lingshu_train.runs.withdrawn import MARK
from lingshu_train.training import consented, paired, selected
from lingshu_train.training.limit import Limit

Numbers = npt.NDArray[np.int64]
Columns = Mapping[str, list[object]]
"""What TRL reads of a batch of rows, a list of one length for each name."""
STAND_IN: list[Message] = [{"role": "user", "content": "-"}]
"""The prompt at the place of a withdrawn one, since all places of a window are generated; what is drawn of it counts for
nothing."""
_BLOCK = 1 << 20
"""Rows looked at together: what is in memory at once."""


class Rows:
    """The chosen rows of a mixture, each known by one number; `row(n)` is the number of the n-th sample of training.

    `left_out` counts the rows that were too long, by corpus. Withdrawn rows keep their number and have no content.
    """

    def __init__(  # noqa: PLR0913 (each decides over the order)
        self,
        stage: Stage,
        mixture: Sequence[Mix],
        *,
        source: str,
        wanted: Settings,
        limit: Limit,
        select: Selection | None = None,
        late: ConsentedLate | None = None,
        pairs: bool = False,
    ) -> None:
        """`pairs` keeps the halves of counterfactual pairs together."""
        where = f"stages.{stage.name}.data"
        self.left_out: dict[str, int] = {}
        self._corpora: list[Corpus] = []
        self._tables: list[Table] = []
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
        last = consented.places(self._corpora, late, where=f"stages.{stage.name}.consented_late")
        units = paired.units(self._corpora, where=where) if pairs else ()
        if select is None:
            sizes = [len(rows) for rows in (units or self._corpora)]
            parts = ingredients(mixture, sizes, where=where)
        else:
            self._selected = selected.choose(
                stage.path, self._corpora, select, seed=stage.seed, where=f"stages.{stage.name}.selection"
            )
            size = len(self._selected.rows)
            parts = (Ingredient(rows=size, draws=size),)
            last = consented.among(self._selected.rows, last, self._starts)
        self._gone = withdrawn.of_all(stage, [mix.corpus for mix in mixture], self._corpora, where=where)
        if self._gone is not None and self._selected is not None:
            self._gone = self._gone[self._selected.rows]
        self.mixture = paired.order(Mixture(parts, stage.seed, last), units)
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
        tokens, _, patches = self._stored(rows)
        return tokens, patches

    def _stored(self, rows: Numbers) -> Numbers:
        """(3, rows): tokens, those of them that are taught, patches."""
        found = np.empty((3, len(rows)), np.int64)
        ingredients = np.searchsorted(self._starts, rows, side="right") - 1
        for number, (here, table) in enumerate(zip(self._corpora, self._tables, strict=True)):
            chosen = ingredients == number
            own = rows[chosen] - self._starts[number]
            lines = table[own if here.chosen is None else here.chosen[own]]
            found[:, chosen] = lines[:, [WHOLE, TAUGHT, PATCHES]].T
        return found

    def tokens(self, rows: Sequence[int]) -> list[int]:
        """Stored lengths of rows."""
        return self.stored(rows)[0]

    def stored(self, rows: Sequence[int]) -> tuple[list[int], list[int]]:
        """Stored lengths of rows, and how many tokens of each are taught."""
        whole, taught, _ = self._stored(np.asarray(rows)).tolist()
        return whole, taught

    def gone(self, rows: Sequence[int] | Numbers) -> Flags:
        """Which of the rows are withdrawn."""
        return np.zeros(len(rows), np.bool_) if self._gone is None else self._gone[np.asarray(rows, np.int64)]

    @property
    def withdrawn(self) -> int:
        """How many of the stage's rows are."""
        return 0 if self._gone is None else int(self._gone.sum())

    @property
    def late(self) -> int:
        """Samples of the first epoch that come last in it."""
        return self.mixture.size - self.mixture.border

    def taught(self) -> dict[str, Taught]:
        """What an epoch teaches of each card; not for a selection."""
        parts = zip(
            map(self._left, range(len(self._corpora))), self._tables, self.mixture.ingredients, strict=True
        )
        return taught.summed([(found, table, one.draws / one.rows) for found, table, one in parts])

    def sample(self, row: int) -> Sample:
        found, n = self._find(row)
        sample = found.sample(n)
        return opened(sample) if self._selected and self._selected.opened[row] else sample

    def dataset(self, *, system: str, whole: bool) -> Dataset:
        """What TRL reads: see `columns`."""

        def read(batch: dict[str, list[int]]) -> Columns:
            return self.columns(batch["row"], system=system, whole=whole)

        size = len(self._selected.rows) if self._selected else self._starts[-1]
        return numbered(self._folder, size).with_transform(read)

    def columns(self, rows: Sequence[int], *, system: str, whole: bool) -> Columns:
        """Row, images (decoded and checked when read), and the `messages` of the whole conversation, or the `prompt` alone. A
        withdrawn row has no messages and no images, and the prompt that stands in for all such."""
        gone = self.gone(rows).tolist()

        def said(row: int) -> object:
            sample = self.sample(row)
            if whole:
                return chat.conversation(sample, system=system)
            return chat.prompt(sample, system=system, images=True)

        nothing: object = [] if whole else STAND_IN
        return {
            "row": list(rows),
            "messages" if whole else "prompt": [
                nothing if lost else said(row) for row, lost in zip(rows, gone, strict=True)
            ],
            "images": [
                [] if lost else list(self._pictures(row)) for row, lost in zip(rows, gone, strict=True)
            ],
        }

    def names(self, rows: Sequence[int] | Numbers) -> list[str]:
        """Ids of the samples in rows, in order."""
        gone = self.gone(rows).tolist()
        return [MARK if lost else self.sample(int(row)).id for row, lost in zip(rows, gone, strict=True)]

    def digest(self, rows: Sequence[int] | Numbers) -> str:
        """Short name of a list of rows, in order: what a ledger line says it trained on."""
        return naming.digest(self.names(rows))[:12]

    def _left(self, number: int) -> Corpus:
        """An ingredient's rows without those that are withdrawn."""
        found = self._corpora[number]
        if self._gone is None:
            return found
        return withdrawn.without(found, self._gone[self._starts[number] : self._starts[number + 1]])

    def _decoded(self, row: int) -> tuple[Image.Image, ...]:
        found, n = self._find(row)
        return found.pictures(n)

    def _find(self, row: int) -> tuple[Corpus, int]:
        row = int(self._selected.rows[row]) if self._selected else row
        ingredient = bisect_right(self._starts, row) - 1
        return self._corpora[ingredient], row - self._starts[ingredient]


def numbered(folder: Path, size: int) -> Dataset:
    """A data set whose column `row` counts from 0, memory-mapped from a file in `folder`."""
    path = folder / f"numbers-{size}.arrow"
    if not _counts_to(path, size):
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


def _counts_to(path: Path, size: int) -> bool:
    """Whether the file is there and is what it should be: a look at all of it takes a second for a hundred million rows."""
    try:
        with pa.memory_map(str(path)) as source:
            found = pa.ipc.open_stream(source).read_all()["row"]
    except (OSError, pa.ArrowInvalid, KeyError):
        return False
    start = 0
    for part in found.chunks:
        if part.null_count or not np.array_equal(part.to_numpy(), np.arange(start, start + len(part))):
            return False
        start += len(part)
    return start == size


def num_steps(*, steps: int | None, items: int, per_step: int, multiple: int = 1) -> int:
    """Optimizer steps of a stage: given, or as many as `items` need, rounded up to whole windows."""
    return math.ceil(math.ceil(items / per_step) / multiple) * multiple if steps is None else steps


def _load(stage: Stage, mix: Mix) -> Corpus:
    return corpus.load(stage.parent(mix.corpus) / "corpus", split=mix.split, **mix.filters)


def _table(stage: Stage, found: Corpus, source: str, wanted: Settings) -> Table:
    """The first rank measures where nobody has; the others read."""
    if dist.place().first:
        lengths.of(found.folder, source, wanted, workers=stage.cluster.preparing)
    dist.barrier()
    return lengths.of(found.folder, source, wanted)


def _fitting(found: Corpus, table: Table, limit: Limit, *, where: str) -> Corpus:
    """The rows within the limit."""
    long = limit.exceeded(table, found.chosen)
    count = int(long.sum())
    if not count:
        return found
    if count > limit.most * len(found):
        number = int(np.flatnonzero(long)[0])
        tokens = int(table[found.row(number), limit.column])
        raise DataError(
            f"{where}: {count:,} of {len(found):,} rows are longer than {limit}, more than most_too_long={limit.most:g} "
            f"allows; the first is {found.sample(number).id} ({tokens:,} tokens); raise the limit or most_too_long, or lower "
            "model.max_pixels"
        )
    chosen = np.arange(len(found), dtype=np.uint32) if found.chosen is None else found.chosen
    return replace(found, chosen=chosen[~long])
