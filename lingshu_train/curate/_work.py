"""What has to be measured, in numbered jobs that any process may do, and the files that they leave.

A job leaves files of its own, committed by renames, which depend on nothing but its number. So they are the same for any number
of processes, tasks and kills, and a job whose files are there is not done again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import lingshu_train
from lingshu_train import environment
from lingshu_train.curate import _index, _looks, _rows, _steps
from lingshu_train.curate._rows import Cut, Places, Source
from lingshu_train.curate._steps import Loaded, StepChoice
from lingshu_train.data.corpus import corpus
from lingshu_train.naming import canonical, digest
from lingshu_train.runs.arrays import save_array

PICTURES, ROWS = 256, _rows.BLOCK
"""Pictures, and rows, of a job."""
CUT = Cut(keys=8_000_000, rows=100_000)
"""Of jobs that compare rows: 64 MB of keys, and some ten seconds of texts or thumbnails."""
FOLDERS = ".measured-*"
_PLACES, _LEFT = "places.npy", "left.npy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """All that a process has to know to do a job. `folder` is where the jobs' files lie, `where` names the steps; a job has
    so many `pictures`, or `rows`, and one that compares what `cut` says. `kept`: of which corpora (numbers) what (`_index`)
    was measured before, and its file."""

    folder: Path
    sources: tuple[Source, ...]
    steps: tuple[StepChoice, ...]
    where: str
    pictures: int
    rows: int
    cut: Cut
    kept: tuple[tuple[int, str, str], ...] = ()

    def loaded(self) -> tuple[Loaded, ...]:
        chosen = canonical([step.model_dump(mode="json") for step in self.steps])
        return _loaded(chosen, self.where, environment.plugins())

    def known(self, what: str) -> dict[int, Path]:
        """Corpora of which this is kept, each with the file."""
        return {number: Path(path) for number, each, path in self.kept if each == what}

    @property
    def looking(self) -> bool:
        """Whether any step asks how pictures look."""
        return any(step.looks for step in self.loaded())


@lru_cache(maxsize=8)
def _loaded(chosen: str, where: str, plugins: tuple[Path, ...]) -> tuple[Loaded, ...]:
    """The steps that a text of JSON names: every job asks for them."""
    return _steps.load([StepChoice.model_validate(step) for step in json.loads(chosen)], where=where)


@dataclass(frozen=True, slots=True)
class Job:
    """Pictures, or rows of one corpus (its number), from `start` to `stop`; `number` counts all jobs of its kind."""

    number: int
    source: int | None
    start: int
    stop: int


def begin(folder: Path, sources: tuple[Source, ...], steps: Sequence[StepChoice], *, where: str) -> Work:
    """Note which rows and pictures there are in a folder below `folder` that is named by all that determines the jobs."""
    content = [
        lingshu_train.__version__,
        _looks.VERSION,
        [
            [one.part, corpus.identity(Path(one.folder)), _rows.opened(one.folder).fingerprint]
            for one in sources
        ],
        [step.model_dump(mode="json") for step in steps],
        [PICTURES, ROWS, CUT.keys, CUT.rows],
    ]
    here = folder / f".measured-{digest(content)[:12]}"
    work = Work(
        folder=here,
        sources=sources,
        steps=tuple(steps),
        where=where,
        pictures=PICTURES,
        rows=ROWS,
        cut=CUT,
        kept=tuple(_kept(sources, _steps.load(steps, where=where))),
    )
    if not (here / _PLACES).is_file():
        here.mkdir(parents=True, exist_ok=True)
        there = _rows.left(sources)
        save_array(here / _LEFT, there)
        found = _rows.places(sources, there) if work.looking else np.empty(0, _rows.PLACE)
        save_array(here / _PLACES, found)
    return work


def picture_jobs(work: Work) -> list[Job]:
    """To be done before the first job of rows, which may need how pictures look."""
    total = len(places(work.folder))
    starts = range(0, total, work.pictures)
    jobs = [Job(n, None, start, min(start + work.pictures, total)) for n, start in enumerate(starts)]
    ends = borders(work)
    known = [ends[number] for number in work.known(_index.LOOKS)]
    return [job for job in jobs if not any(one <= job.start and job.stop <= two for one, two in known)]


def row_jobs(work: Work) -> list[Job]:
    starts = [
        (number, start, min(start + work.rows, source.rows))
        for number, source in enumerate(work.sources)
        for start in range(0, source.rows, work.rows)
    ]
    wanted = [_index.of_step(step) for step in work.loaded() if step.measuring]
    # The own corpus is judged as well.
    whole = {
        number
        for number, source in enumerate(work.sources)
        if source.part != "own" and all(number in work.known(what) for what in wanted)
    }
    # Numbered as if all were done, so that what was kept since another process began changes no name.
    return [Job(n, *each) for n, each in enumerate(starts) if each[0] not in whole]


def files(work: Work, job: Job, steps: Sequence[Loaded]) -> Iterator[Path]:
    """What a job leaves. A job of which no step asks anything leaves nothing."""
    if job.source is None:
        yield looks_file(work, job)
        return
    own = work.sources[job.source].part == "own"
    for number, step in enumerate(steps):
        if step.judging and own:
            yield step_file(work, number, job, "parquet")
        if step.measuring:
            yield step_file(work, number, job, "npy")


def looks_file(work: Work, job: Job) -> Path:
    return work.folder / f"looks-{job.number:06d}.npy"


def step_file(work: Work, step: int, job: Job, kind: str) -> Path:
    return work.folder / f"step{step}-{job.number:06d}.{kind}"


def places(folder: Path) -> Places:
    return joined(folder / _PLACES)


def left(folder: Path) -> npt.NDArray[np.bool_]:
    return joined(folder / _LEFT)


@lru_cache(maxsize=16)
def joined(path: Path) -> npt.NDArray[Any]:
    """An array of this work, memory-mapped."""
    found: npt.NDArray[Any] = np.load(path, mmap_mode="r")
    return found


def borders(work: Work) -> list[tuple[int, int]]:
    """Of each corpus its first place and the one behind its last."""
    numbers = (places(work.folder)["key"] >> np.uint64(_rows.SHARD)).astype(np.int64)
    ends = np.searchsorted(numbers, np.arange(len(work.sources) + 1)).tolist()
    return list(pairwise(ends))


def _kept(sources: Sequence[Source], steps: Sequence[Loaded]) -> Iterator[tuple[int, str, str]]:
    """What was measured before of the corpora that are compared with."""
    wanted = [_index.LOOKS] if any(step.looks for step in steps) else []
    wanted += [_index.of_step(step) for step in steps if step.measuring]
    for number, source in enumerate(sources):
        for what in dict.fromkeys(wanted) if source.part != "own" else ():
            path = _index.kept(source, what)
            if path is not None:
                yield number, what, str(path)
