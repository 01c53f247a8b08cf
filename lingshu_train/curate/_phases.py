"""A comparison cut into numbered jobs, phase after phase, of which each job leaves one array that its number alone determines.

What has to be done in order is done when all phases are: the step's own `decide`, from these arrays.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lingshu_train.bars import bar
from lingshu_train.curate import _measured, _work
from lingshu_train.curate._phase import Phase
from lingshu_train.curate._rows import Rows
from lingshu_train.curate._work import Work
from lingshu_train.data.corpus import preparing
from lingshu_train.model.shape import FAMILIES
from lingshu_train.naming import components
from lingshu_train.runs.arrays import save_array


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbered:
    """The jobs of a phase of a step, as an executor takes them. `total`: how many there are."""

    work: Work
    step: int
    phase: int
    total: int

    @property
    def title(self) -> str:
        return f"{self.work.steps[self.step].name}-{self._phase.name}"

    def left(self) -> list[int]:
        there = set(os.listdir(self.work.folder))
        return [number for number in range(self.total) if self._file(number).name not in there]

    def do(self, numbers: Sequence[int]) -> Iterator[int]:
        # A family of the user's own is on no path of a process that is not forked.
        components(FAMILIES)
        if not numbers:
            return
        seen, params = rows(self.work, self.step), self.work.loaded()[self.step].params
        for number in numbers:
            save_array(self._file(number), self._phase.make(seen, params, number))
            yield number

    def paths(self) -> tuple[Path, ...]:
        return tuple(self._file(number) for number in range(self.total))

    @property
    def _phase(self) -> Phase:
        return self.work.loaded()[self.step].phases[self.phase]

    def _file(self, number: int) -> Path:
        return self.work.folder / f"join{self.step}-{self._phase.name}-{number:06d}.npy"


Deal = Callable[[Numbered], None]
"""Does all jobs of a phase that are left."""


def here(jobs: Numbered) -> None:
    """Do them in this process."""
    for _ in jobs.do(jobs.left()):
        pass


def here_one(jobs: Numbered, number: int) -> None:
    for _ in jobs.do([number]):
        pass


def beside(workers: int) -> Deal:
    """Has them done by so many processes of this machine."""

    def deal(jobs: Numbered) -> None:
        left = jobs.left()
        if workers <= 1 or len(left) <= 1:
            here(jobs)
            return
        with (
            ProcessPoolExecutor(min(workers, len(left)), initializer=preparing.begin) as pool,
            bar(title=jobs.title, unit="job", total=len(left)) as progress,
        ):
            for _ in pool.map(here_one, [jobs] * len(left), left):
                progress.update(1)

    return deal


def joined(work: Work, step: int, there: npt.NDArray[np.bool_], deal: Deal, *, ahead: bool = False) -> Rows:
    """The rows that are `there` as the step sees them, once all its phases are done. `ahead`: those that go ahead too."""
    save_array(_there(work, step), there)
    for number, phase in enumerate(work.loaded()[step].phases):
        if not phase.ahead or ahead:
            seen = rows(work, step)
            total = phase.jobs(seen, work.loaded()[step].params)
            deal(Numbered(work=work, step=step, phase=number, total=total))
    return rows(work, step)


def rows(work: Work, step: int) -> Rows:
    """The rows that earlier steps have left, with what was measured of them and what phases have left by now."""
    loaded = work.loaded()[step]
    return Rows(
        sources=work.sources,
        left=np.load(_there(work, step), mmap_mode="r"),
        places=_work.places(work.folder) if loaded.looks else None,
        looks=_measured.looks(work) if loaded.looks else None,
        measured=_measured.measured(work, step),
        made={
            phase.name: tuple(sorted(work.folder.glob(f"join{step}-{phase.name}-*.npy")))
            for phase in loaded.phases
        },
        cut=work.cut,
        name=f"{work.folder}/{step}",
    )


def _there(work: Work, step: int) -> Path:
    return work.folder / f"there-{step}.npy"
