"""What must be known of every picture and row before steps compare them: the jobs, done here or by an executor."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import numpy as np

from lingshu_train.bars import bar
from lingshu_train.curate import _decision, _looks, _measured, _rows, _work
from lingshu_train.curate._looks import Looks
from lingshu_train.curate._rows import Rows
from lingshu_train.curate._work import Job, Work, left, picture_jobs, places, row_jobs
from lingshu_train.data.corpus import preparing
from lingshu_train.model.shape import FAMILIES
from lingshu_train.naming import components
from lingshu_train.runs.arrays import save_array


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
    return all(path.is_file() for path in _work.files(work, job, work.loaded()))


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
    found = list(rows.of(source.part))
    for number, step in enumerate(work.loaded()):
        if step.judging and source.part == "own":
            made = [each for row in found for each in step.judging.judge(row, step.params)]
            _decision.write(_work.step_file(work, number, job, "parquet"), made)
        if step.measuring:
            values = np.zeros(
                (job.stop - job.start, *step.measuring.MEASURED.shape), step.measuring.MEASURED.base
            )
            for row in found:
                values[row.number - here.start] = step.measuring.measure(row, step.params)
            save_array(_work.step_file(work, number, job, "npy"), values)


def _look(work: Work, place: np.void) -> Looks:
    return _looks.measure(_rows.shown(work.sources, place))
