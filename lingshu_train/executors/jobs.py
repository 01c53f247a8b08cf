"""Numbered jobs that any process may do, on any machine that sees the same folders, in any order, and again.

A job leaves files that depend on its number alone, committed by renames. So which of them are there is all that is known of the
work, tasks need not hear of each other, and one that was killed has lost the job it was at.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import shutil
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

from lingshu_train import environment, stopping
from lingshu_train.bars import bar
from lingshu_train.errors import MissingInput, RunAgain
from lingshu_train.runs import processes
from lingshu_train.runs.cluster import Cluster

ROUNDS = 3
"""Times that tasks are started for the jobs that are left, as long as each time some are done."""


class Jobs(Protocol):
    """Numbered from 0. Small, and picklable: each task is sent them whole."""

    @property
    def title(self) -> str:
        """What is counted, for the bar."""

    def left(self) -> Sequence[int]:
        """The numbers of those whose files are not there, ascending."""

    def do(self, numbers: Sequence[int]) -> Iterator[int]:
        """Do these, which ascend, and say each when its files are there. LingshuError: one cannot be done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A step of a datatrove pipeline: the jobs of a task are those whose number leaves its rank.

    `folder` is where paths begin that are not absolute; `variables` are set before anything else.
    """

    jobs: Jobs
    folder: str
    variables: tuple[tuple[str, str], ...] = ()

    def __call__(self, data: object, rank: int = 0, world_size: int = 1) -> None:
        for name, value in self.variables:
            environment.give(name, value)
        os.chdir(self.folder)
        for _ in self.jobs.do([number for number in self.jobs.left() if number % world_size == rank]):
            pass

    def __str__(self) -> str:
        return f"{self.jobs.title} of {self.folder}"


class Submitted(Protocol):
    """A file of `executors/`: starts tasks and waits for their end, however that is."""

    def run(self, share: Share, tasks: int, cluster: Cluster, logs: Path) -> Generator[None]:
        """Yields every few seconds. What the tasks have done the jobs' files tell. Closed while it waits, it ends
        tasks that are this process's own; those of an array go on."""


def run(jobs: Jobs, cluster: Cluster, folder: Path) -> None:
    """Do all jobs that are left through the cluster's executor; logs of its tasks go below `folder`.

    MissingInput (66): its package is not installed. RunAgain (75): all tasks have ended and left jobs, or this process is asked
    to stop. What is wrong with a job itself (DataError and others) is told as if it had been done here: it is, in a process of
    its own, since what killed a task would kill this one.
    """
    executor = _executor(cluster)
    before = jobs.left()
    logs = folder / f".tasks-{jobs.title}"
    variables = tuple((name, value) for name, value in environment.told_to_tasks().items())
    share = Share(jobs=jobs, folder=str(Path.cwd()), variables=variables)
    with bar(title=jobs.title, unit="job", total=len(before), shown=bool(before)) as progress:
        for _ in range(ROUNDS):
            left = jobs.left()
            if not left:
                break
            with closing(executor.run(share, min(cluster.tasks, len(left)), cluster, logs)) as waiting:
                for _ in waiting:
                    progress.update(len(before) - len(jobs.left()) - progress.n)
                    _heed(cluster)
            now = jobs.left()
            progress.update(len(before) - len(now) - progress.n)
            if len(now) == len(left):
                break
    if left := jobs.left():
        _meet(jobs, left[0], logs)
        if left := jobs.left():
            raise RunAgain(
                f"{folder}: {len(left):,} of {len(before):,} {jobs.title} are not done, though every task of "
                f"cluster.executor={cluster.executor} has ended; {logs} says why; run the same command to go on"
            )
    shutil.rmtree(logs, ignore_errors=True)


def _heed(cluster: Cluster) -> None:
    """RunAgain (75): this process is asked to stop."""
    if number := stopping.asked():
        array = (
            "; the array goes on, and the same command waits for it" if cluster.executor == "slurm" else ""
        )
        raise RunAgain(
            f"told to stop ({number.name}); the jobs that are done are kept{array}; run the same command again to go on"
        )


def _meet(jobs: Jobs, number: int, logs: Path) -> None:
    """What the tasks met at a job is met here, and told. RunAgain (75): it kills its process."""
    with ProcessPoolExecutor(1, initializer=processes.end_with_parent) as pool:
        try:
            pool.submit(_do, jobs, number).result()
        except BrokenProcessPool:
            raise RunAgain(
                f"{jobs.title}, job {number}: whatever process does it is killed: out of memory, or a file that crashes its "
                f"reader; {logs} says how far the tasks came; give each more memory, and run the same command to go on"
            ) from None


def _do(jobs: Jobs, number: int) -> None:
    for _ in jobs.do([number]):
        pass


def _executor(cluster: Cluster) -> Submitted:
    name = cluster.executor
    needed = ("datatrove", "ray") if name == "ray" else ("datatrove",)
    for package in needed:
        if importlib.util.find_spec(package) is None:
            raise MissingInput(
                f"cluster.executor={name}: {package} is not installed: pip install 'lingshu-train[cluster]'"
            )
    return cast(Submitted, importlib.import_module(f"lingshu_train.executors.{name}"))
