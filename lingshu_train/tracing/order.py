"""The order of a training stage, rebuilt from its stage.json, its corpora and their stored lengths: what came in which step."""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lingshu_train import naming
from lingshu_train.data.corpus import corpus, late
from lingshu_train.data.corpus.corpus import Corpus
from lingshu_train.data.corpus.table import Table
from lingshu_train.data.images.opening import named
from lingshu_train.data.order.mix import Mix, ingredients
from lingshu_train.data.order.mixture import Ingredient, Mixture
from lingshu_train.data.order.selection import FILE
from lingshu_train.errors import MissingInput
from lingshu_train.runs.stage import Stage
from lingshu_train.runs.withdrawn import MARK
from lingshu_train.training import paired
from lingshu_train.training.limit import Limit

Ints = npt.NDArray[np.int64]
FILTERED = "not taken by the mixture: split, task, card or curation"
TOO_LONG = "too long"
WITHDRAWN = "withdrawn: their places yield nothing"
NOT_SELECTED = "not taken by the selection"


@dataclass(frozen=True, slots=True)
class Draws:
    """When rows were trained on. `which`: place in the rows asked for; `epoch` from 1; the optimizer steps `first` to `last`,
    which are one but in a generation window, whose completions are spread over all of its steps."""

    which: Ints
    epoch: Ints
    first: Ints
    last: Ints

    def moving(self, left_out: Ints) -> tuple[Draws, int]:
        """Without the draws of whose steps all were left out, and how many these are."""
        if not len(left_out):
            return self, 0
        before = np.searchsorted(left_out, self.first, side="left")
        gone = np.searchsorted(left_out, self.last, side="right") - before > self.last - self.first
        kept = np.flatnonzero(~gone)
        draws = Draws(self.which[kept], self.epoch[kept], self.first[kept], self.last[kept])
        return draws, int(gone.sum())


@dataclass(frozen=True, slots=True)
class Part:
    """One ingredient: its corpus, and the numbers in it of the rows that are short enough (None: all of it). `gone`:
    rows of the corpus that are withdrawn from the stage; `late`: those that come late."""

    mix: Mix
    found: Corpus
    fit: npt.NDArray[np.integer] | None
    table: Table | None
    gone: Ints
    late: Ints

    def __len__(self) -> int:
        return self.found.total if self.fit is None else len(self.fit)


class Order(ABC):
    """Rows are numbered as training numbers them: those of one ingredient after another, or of the selection alone.

    `steps` are the optimizer steps that were taken.
    """

    def __init__(  # noqa: PLR0913 (each decides over the order)
        self,
        stage: Stage,
        data: tuple[Mix, ...],
        limit: Limit,
        *,
        lengths: str,
        late: str = "",
        steps: int,
        selected: bool = False,
        pairs: bool = False,
    ) -> None:
        self.stage, self.steps = stage, steps
        self.parts = [_part(stage, mix, limit, lengths, late) for mix in data]
        self._starts = list(accumulate((len(part) for part in self.parts), initial=0))
        self._selected: Ints | None = None
        where = f"stages.{stage.name}.data"
        units = paired.units_of([(part.found, part.fit) for part in self.parts], where=where) if pairs else ()
        if selected:
            self._selected = _selection(stage.path)
            made: tuple[Ingredient, ...] = (Ingredient(len(self._selected), len(self._selected)),)
        else:
            made = ingredients(data, [len(rows) for rows in (units or self.parts)], where=where)
        self.mixture = paired.order(Mixture(made, stage.seed, self._late() if late else ()), units)

    def number(self, part: int, rows: Ints) -> tuple[Ints, Ints, Counter[str]]:
        """Of ascending rows of an ingredient's corpus: places in `rows` of those that take part, their numbers, and how many do
        not, by reason."""
        here = self.parts[part]
        chosen = here.found.chosen
        inside, _ = _places(chosen, rows)
        fitting, places = _places(here.fit, rows[inside])
        which, numbers = inside[fitting], places + self._starts[part]
        why = Counter({FILTERED: len(rows) - len(inside), TOO_LONG: len(inside) - len(which)})
        kept = np.flatnonzero(~np.isin(rows[which], here.gone))
        why[WITHDRAWN] = len(which) - len(kept)
        which, numbers = which[kept], numbers[kept]
        if self._selected is not None:
            taken, numbers = _places(self._selected, numbers)
            why[NOT_SELECTED] = len(which) - len(taken)
            which = which[taken]
        return which, numbers, +why

    def _late(self) -> tuple[Ints, ...]:
        parts = [_places(part.fit, part.late)[1] for part in self.parts]
        if self._selected is None:
            return tuple(parts)
        every = np.concatenate([own + start for own, start in zip(parts, self._starts, strict=False)])
        return (_places(self._selected, every)[1],)

    @abstractmethod
    def draws(self, numbers: Ints) -> Draws:
        """When ascending rows were trained on, so far."""

    @abstractmethod
    def step(self, step: int) -> Ints:
        """The rows of an optimizer step, in the order that its ledger line has them."""

    def samples(self, step: int) -> str:
        """What a ledger line says of the rows of a step."""
        return naming.digest([self.sample_id(int(number)) for number in self.step(step)])[:12]

    def sample_id(self, number: int) -> str:
        """The id of a row."""
        number = int(self._selected[number]) if self._selected is not None else number
        part = bisect_right(self._starts, number) - 1
        here, place = self.parts[part], number - self._starts[part]
        row = place if here.fit is None else int(here.fit[place])
        lost = len(_places(here.gone, np.array([row]))[0])
        return MARK if lost else here.found.reader.record(row)["id"]

    def rows(self, numbers: Ints) -> Ints:
        """Numbers of the samples since the start of training to rows."""
        found, rows = self.mixture.locate_many(numbers)
        return rows if self._selected is not None else rows + np.asarray(self._starts)[found]

    def mixture_draws(self, numbers: Ints, *, until: int) -> tuple[Ints, Ints]:
        """Places in `numbers` and samples since the start of training, below `until`, of ascending rows."""
        which: list[Ints] = []
        found: list[Ints] = []
        count = len(self.mixture.ingredients)
        borders = np.searchsorted(numbers, self._starts) if count > 1 else np.array([0, len(numbers)])
        for epoch in range(-(-until // self.mixture.size)):
            for number in range(count):
                start, stop = int(borders[number]), int(borders[number + 1])
                if start == stop:
                    continue
                own = numbers[start:stop] - (self._starts[number] if count > 1 else 0)
                places, samples = self.mixture.draws_of(number, own, epoch=epoch)
                kept = samples < until
                which.append(places[kept] + start)
                found.append(samples[kept])
        empty = np.empty(0, np.int64)
        return np.concatenate([empty, *which]), np.concatenate([empty, *found])


def _part(stage: Stage, mix: Mix, limit: Limit, lengths: str, late_file: str) -> Part:
    found = corpus.load(stage.parent(mix.corpus) / "corpus", split=mix.split, **mix.filters)
    lost = stage.withdrawn.get(mix.corpus)
    gone = np.empty(0, np.int64) if lost is None else lost.numbers
    behind = late.read(found.folder, late_file) if late_file else np.empty(0, np.int64)
    if not lengths:
        return Part(mix, found, found.chosen, None, gone, behind)
    path = found.folder / lengths
    with named(path, kind="a table of lengths"):
        table: Table = np.load(path, mmap_mode="r")
    long = limit.exceeded(table, found.chosen)
    if not long.any():
        return Part(mix, found, found.chosen, table, gone, behind)
    chosen = np.arange(found.total, dtype=np.uint32) if found.chosen is None else found.chosen
    return Part(mix, found, chosen[~long], table, gone, behind)


def _places(among: npt.NDArray[np.integer] | None, rows: Ints) -> tuple[Ints, Ints]:
    """Which of `rows` are in the ascending `among` (None: all numbers), and where in it."""
    if among is None:
        return np.arange(len(rows)), rows
    places = np.searchsorted(among, rows)
    inside = np.flatnonzero(places < len(among))
    inside = inside[among[places[inside]] == rows[inside]]
    return inside, places[inside]


def _selection(folder: Path) -> Ints:
    path = folder / FILE
    if not path.is_file():
        raise MissingInput(
            f"{path}: no such file: which rows the stage selected is written when it starts; run its recipe again"
        )
    with named(path, kind="a selection"), np.load(path) as found:
        return np.asarray(found["rows"], np.int64)
