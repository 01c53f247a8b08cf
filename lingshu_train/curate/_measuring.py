"""What must be known of every picture and row before steps compare them, in numbered jobs that any process may do.

A job leaves files of its own, committed by renames, which depend on nothing but its number. So they are the same for any number
of processes, tasks and kills, and a job whose files are there is not done again.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import lingshu_train
from lingshu_train.bars import bar
from lingshu_train.curate import _decision, _looks, _rows, _steps
from lingshu_train.curate._looks import LOOK, Looks
from lingshu_train.curate._rows import Places, Rows, Source
from lingshu_train.curate._steps import Loaded, StepChoice
from lingshu_train.data.corpus import corpus, preparing
from lingshu_train.model.shape import FAMILIES
from lingshu_train.naming import components, digest
from lingshu_train.runs.arrays import save_array

PICTURES, ROWS = 256, _rows.BLOCK
"""Pictures, and rows, of a job."""
_PLACES, _LEFT = "places.npy", "left.npy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """All that a process has to know to do a job. `folder` is where the jobs' files lie, `where` names the steps; a job has
    so many `pictures`, or `rows`."""

    folder: Path
    sources: tuple[Source, ...]
    steps: tuple[StepChoice, ...]
    where: str
    pictures: int
    rows: int

    def loaded(self) -> tuple[Loaded, ...]:
        return _steps.load(self.steps, where=self.where)

    @property
    def looking(self) -> bool:
        """Whether any step asks how pictures look."""
        return any(step.looks for step in self.loaded())


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
        [PICTURES, ROWS],
    ]
    here = folder / f".measured-{digest(content)[:12]}"
    work = Work(folder=here, sources=sources, steps=tuple(steps), where=where, pictures=PICTURES, rows=ROWS)
    if not (here / _PLACES).is_file():
        here.mkdir(parents=True, exist_ok=True)
        there = _rows.left(sources)
        save_array(here / _LEFT, there)
        found = _rows.places(sources, there) if work.looking else np.empty(0, _rows.PLACE)
        save_array(here / _PLACES, found)
    return work


def measure(work: Work, *, workers: int = 1) -> None:
    """Do all jobs that are not done, here. DataError (65): a picture is damaged."""
    for title, jobs in (("pictures", picture_jobs(work)), ("rows", row_jobs(work))):
        mine = [job for job in jobs if not done(work, job)]
        with bar(title=title, unit="job", total=len(mine), shown=len(mine) > 1) as progress:
            for _ in _results(work, mine, workers=workers):
                progress.update(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbered:
    """The jobs of pictures, or those of rows, as an executor takes them."""

    work: Work
    pictures: bool

    @property
    def title(self) -> str:
        return "pictures" if self.pictures else "rows"

    def left(self) -> list[int]:
        there = set(os.listdir(self.work.folder))
        steps = self.work.loaded()
        return [
            job.number
            for job in self._jobs()
            if not all(path.name in there for path in _files(self.work, job, steps))
        ]

    def do(self, numbers: Sequence[int]) -> Iterator[int]:
        # A family of the user's own is on no path of a process that is not forked.
        components(FAMILIES)
        jobs = self._jobs()
        for number in numbers:
            do(self.work, jobs[number])
            yield number

    def _jobs(self) -> list[Job]:
        return picture_jobs(self.work) if self.pictures else row_jobs(self.work)


def picture_jobs(work: Work) -> list[Job]:
    """To be done before the first job of rows, which may need how pictures look."""
    total = len(places(work.folder))
    starts = range(0, total, work.pictures)
    return [Job(n, None, start, min(start + work.pictures, total)) for n, start in enumerate(starts)]


def row_jobs(work: Work) -> list[Job]:
    starts = [
        (number, start, min(start + work.rows, source.rows))
        for number, source in enumerate(work.sources)
        for start in range(0, source.rows, work.rows)
    ]
    return [Job(n, *each) for n, each in enumerate(starts)]


def do(work: Work, job: Job) -> None:
    """Do one job and commit its files."""
    if job.source is None:
        known = places(work.folder)[job.start : job.stop]
        save_array(_looks_file(work, job), np.concatenate([_look(work, place) for place in known]))
    else:
        _do_rows(work, job)


def looks(work: Work) -> Looks | None:
    """The measurements of all pictures in the order of their places, memory-mapped; None where no step asked."""
    if not work.looking:
        return None
    path = work.folder / "looks.npy"
    if not path.is_file():
        parts = {job.start: _looks_file(work, job) for job in picture_jobs(work)}
        _join(path, parts, dtype=LOOK, shape=(len(places(work.folder)),))
    return joined(path)


def measured(work: Work, step: int) -> npt.NDArray[np.generic] | None:
    """What a step measured of the row of every number, memory-mapped; None where it measures nothing."""
    wanted = work.loaded()[step].measuring
    if wanted is None:
        return None
    path = work.folder / f"measured-{step}.npy"
    if not path.is_file():
        total = sum(one.rows for one in work.sources)
        parts = {
            work.sources[job.source or 0].first + job.start: _step_file(work, step, job, "npy")
            for job in row_jobs(work)
        }
        _join(path, parts, dtype=wanted.MEASURED.base, shape=(total, *wanted.MEASURED.shape))
    return joined(path)


def judged(work: Work, step: int) -> Iterator[_decision.Decision]:
    """What a step that needs no other row decided, row by row."""
    for job in row_jobs(work):
        path = _step_file(work, step, job, "parquet")
        if path.is_file():
            yield from _decision.read(path)


def places(folder: Path) -> Places:
    return joined(folder / _PLACES)


def left(folder: Path) -> npt.NDArray[np.bool_]:
    return joined(folder / _LEFT)


@lru_cache(maxsize=16)
def joined(path: Path) -> npt.NDArray[Any]:
    """An array of this work, memory-mapped."""
    found: npt.NDArray[Any] = np.load(path, mmap_mode="r")
    return found


def _join(path: Path, parts: Mapping[int, Path], *, dtype: np.dtype[Any], shape: tuple[int, ...]) -> None:
    """One array of the jobs' arrays, each from its first place on. Processes that do it at once write the same."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    if not shape[0]:
        with beside.open("wb") as stream:
            np.save(stream, np.empty(shape, dtype))
    else:
        made = np.lib.format.open_memmap(beside, mode="w+", dtype=dtype, shape=shape)
        for start, part in parts.items():
            values = np.load(part)
            made[start : start + len(values)] = values
        made.flush()
    beside.replace(path)


def _results(work: Work, jobs: Sequence[Job], *, workers: int) -> Iterator[None]:
    if workers <= 1 or len(jobs) <= 1:
        for job in jobs:
            do(work, job)
            yield
        return
    with ProcessPoolExecutor(workers, initializer=preparing.begin) as pool:
        yield from pool.map(do, [work] * len(jobs), jobs)


def done(work: Work, job: Job) -> bool:
    """Whether a job's files are there."""
    return all(path.is_file() for path in _files(work, job, work.loaded()))


def _files(work: Work, job: Job, steps: Sequence[Loaded]) -> Iterator[Path]:
    """What a job leaves. A job of which no step asks anything leaves nothing."""
    if job.source is None:
        yield _looks_file(work, job)
        return
    own = work.sources[job.source].part == "own"
    for number, step in enumerate(steps):
        if step.judging and own:
            yield _step_file(work, number, job, "parquet")
        if step.measuring:
            yield _step_file(work, number, job, "npy")


def _do_rows(work: Work, job: Job) -> None:
    source = work.sources[job.source or 0]
    there = np.zeros(sum(one.rows for one in work.sources), np.bool_)
    here = slice(source.first + job.start, source.first + job.stop)
    there[here] = left(work.folder)[here]
    known = (places(work.folder), looks(work)) if work.looking else (None, None)
    rows = Rows(sources=work.sources, left=there, places=known[0], looks=known[1])
    found = list(rows.of(source.part))
    for number, step in enumerate(work.loaded()):
        if step.judging and source.part == "own":
            made = [each for row in found for each in step.judging.judge(row, step.params)]
            _decision.write(_step_file(work, number, job, "parquet"), made)
        if step.measuring:
            values = np.zeros(
                (job.stop - job.start, *step.measuring.MEASURED.shape), step.measuring.MEASURED.base
            )
            for row in found:
                values[row.number - here.start] = step.measuring.measure(row, step.params)
            save_array(_step_file(work, number, job, "npy"), values)


def _look(work: Work, place: np.void) -> Looks:
    return _looks.measure(_rows.shown(work.sources, place))


def _looks_file(work: Work, job: Job) -> Path:
    return work.folder / f"looks-{job.number:06d}.npy"


def _step_file(work: Work, step: int, job: Job, kind: str) -> Path:
    return work.folder / f"step{step}-{job.number:06d}.{kind}"
