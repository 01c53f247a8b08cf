"""What must be known of every picture and row before steps compare them: the jobs, done here or by an executor."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import islice

import numpy as np

from lingshu_train.bars import bar
from lingshu_train.curate import _decision, _looks, _measured, _rows, _work
from lingshu_train.curate._decision import Decision
from lingshu_train.curate._looks import Looks
from lingshu_train.curate._rows import Rows
from lingshu_train.curate._steps import Loaded
from lingshu_train.curate._work import Job, Work, left, picture_jobs, places, row_jobs
from lingshu_train.data.corpus import preparing
from lingshu_train.model.shape import FAMILIES
from lingshu_train.naming import components
from lingshu_train.runs.arrays import save_array

_TOGETHER = 256
"""Rows: few enough that their words stay known from step to step, many enough for those that measure together."""


def measure(work: Work, *, workers: int = 1) -> None:
    """Do all jobs that are not done, here. DataError (65): a picture is damaged."""
    steps = work.loaded()
    for title, jobs in (("pictures", picture_jobs(work)), ("rows", row_jobs(work))):
        mine = [job for job in jobs if not _there(work, job, steps)]
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
            if not all(path.name in there for path in _work.files(self.work, job, steps))
        ]

    def do(self, numbers: Sequence[int]) -> Iterator[int]:
        # A family of the user's own is on no path of a process that is not forked.
        components(FAMILIES)
        jobs = {job.number: job for job in self._jobs()}
        for number in numbers:
            do(self.work, jobs[number])
            yield number

    def _jobs(self) -> list[Job]:
        return picture_jobs(self.work) if self.pictures else row_jobs(self.work)


def do(work: Work, job: Job) -> None:
    """Do one job and commit its files."""
    if job.source is None:
        known = places(work.folder)[job.start : job.stop]
        save_array(_work.looks_file(work, job), np.concatenate([_look(work, place) for place in known]))
    else:
        _do_rows(work, job)


def done(work: Work, job: Job) -> bool:
    """Whether a job's files are there."""
    return _there(work, job, work.loaded())


def _there(work: Work, job: Job, steps: Sequence[Loaded]) -> bool:
    return all(path.is_file() for path in _work.files(work, job, steps))


def _results(work: Work, jobs: Sequence[Job], *, workers: int) -> Iterator[None]:
    if workers <= 1 or len(jobs) <= 1:
        for job in jobs:
            do(work, job)
            yield
        return
    with ProcessPoolExecutor(workers, initializer=preparing.begin) as pool:
        yield from pool.map(do, [work] * len(jobs), jobs)


def _do_rows(work: Work, job: Job) -> None:
    source = work.sources[job.source or 0]
    there = np.zeros(sum(one.rows for one in work.sources), np.bool_)
    here = slice(source.first + job.start, source.first + job.stop)
    there[here] = left(work.folder)[here]
    known = (places(work.folder), _measured.looks(work)) if work.looking else (None, None)
    rows = Rows(sources=work.sources, left=there, places=known[0], looks=known[1])
    steps = work.loaded()
    made: dict[int, list[Decision]] = {
        number: [] for number, step in enumerate(steps) if step.judging and source.part == "own"
    }
    values = {
        number: np.zeros((job.stop - job.start, *step.measuring.MEASURED.shape), step.measuring.MEASURED.base)
        for number, step in enumerate(steps)
        if step.measuring
    }
    # A few rows at a time go through all steps, which read the same texts.
    every = iter(rows.of(source.part))
    while found := list(islice(every, _TOGETHER)):
        numbers = [row.number - here.start for row in found]
        for number, step in enumerate(steps):
            if step.judging and number in made:
                made[number] += [each for row in found for each in step.judging.judge(row, step.params)]
            if number in values:
                values[number][numbers] = step.measured(found)
    for number in range(len(steps)):
        if number in made:
            _decision.write(_work.step_file(work, number, job, "parquet"), made[number])
        if number in values:
            save_array(_work.step_file(work, number, job, "npy"), values[number])


def _look(work: Work, place: np.void) -> Looks:
    return _looks.measure(_rows.shown(work.sources, place))
