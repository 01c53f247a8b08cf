"""What a step of curation is, and how steps follow one another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field, JsonValue

from lingshu_train import naming
from lingshu_train.data.corpus.corpus import Corpus, RowNumbers
from lingshu_train.data.corpus.records import Location
from lingshu_train.errors import RecipeError
from lingshu_train.record import Sample
from lingshu_train.runs.files import replacing
from lingshu_train.schema import Strict, parse

PACKAGE = "lingshu_train.curate"
_AT_ONCE = 1_024
"""Rows read together: the size of a batch of the corpus's Arrow files, so that each is opened once a step."""


class StepChoice(Strict):
    """One step of curation."""

    name: str
    """A file of `curate/`."""
    params: dict[str, JsonValue] = Field(default_factory=dict)
    """Its own settings: see the step."""

    def __str__(self) -> str:
        values = " ".join(f"{key}={value}" for key, value in self.params.items())
        return f"{self.name} ({values})" if values else self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A row under examination: its number in the whole corpus, its sample, where its pictures lie."""

    number: int
    sample: Sample
    pictures: tuple[Location, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """That a row is to go: why, in the same words for all rows that go for it, and the sample id that shows it."""

    row: int
    sample: str
    reason: str
    evidence: str = ""
    step: str = ""


class Step(Protocol):
    """A file of curate/: `Params`, and `decide`, which sees the rows that earlier steps left, in order, each once.

    What it decides is a function of the rows and the parameters alone.
    """

    Params: type[Strict]

    def decide(self, rows: Iterable[Candidate], params: Strict, /) -> Iterator[Decision]: ...


def check(steps: Sequence[StepChoice], *, where: str) -> None:
    """RecipeError (78) for a step that does not exist or has wrong parameters."""
    for number, wanted in enumerate(steps):
        _params(wanted, where=f"{where}.{number}")


def decide(found: Corpus, steps: Sequence[StepChoice], *, where: str) -> list[Decision]:
    """The decisions of all steps, in order. A row that goes at one step is not seen by the next."""
    gone: set[int] = set()
    made: list[Decision] = []
    for number, wanted in enumerate(steps):
        step, params = _params(wanted, where=f"{where}.{number}")
        here = [replace(one, step=wanted.name) for one in step.decide(_rows(found, gone), params)]
        gone |= {one.row for one in here}
        made += here
    return made


def rows_of(decisions: Sequence[Decision]) -> RowNumbers:
    """Numbers of the rows that go, in ascending order."""
    return np.unique(np.array([one.row for one in decisions], np.uint32))


def write(path: Path, decisions: Sequence[Decision]) -> None:
    """The decisions as a Parquet table, one line a row that goes."""
    columns = {
        "row": pa.array([one.row for one in decisions], pa.uint32()),
        **{
            name: pa.array([getattr(one, name) for one in decisions], pa.string())
            for name in ("sample", "step", "reason", "evidence")
        },
    }
    with replacing(path) as beside:
        pq.write_table(pa.table(columns), beside)


def _params(wanted: StepChoice, *, where: str) -> tuple[Step, Strict]:
    step: Step = naming.component(PACKAGE, wanted.name, where=f"{where}.name", error=RecipeError)
    return step, parse(step.Params, wanted.params, where=f"{where}.params", error=RecipeError)


def _rows(found: Corpus, gone: set[int]) -> Iterator[Candidate]:
    chosen = range(found.total) if found.chosen is None else found.chosen
    kept = [int(number) for number in chosen if int(number) not in gone]
    for start in range(0, len(kept), _AT_ONCE):
        part = kept[start : start + _AT_ONCE]
        stretch = found.stretch(part[0], part[-1] + 1)
        wanted = set(part)
        for number, (sample, pictures) in enumerate(stretch, part[0]):
            if number in wanted:
                yield Candidate(number=number, sample=sample, pictures=pictures)
