"""datatrove's local executor, a rank at a time: each task is a process of this machine, `cluster.preparing` of them at once.

datatrove itself hands ranks to a pool, which waits for ever for a rank whose process was killed. Here every process is watched:
one that is killed, or ends by a fault of its own, has lost the job it was at, and the others go on.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Generator
from multiprocessing.connection import wait
from multiprocessing.context import ForkProcess
from pathlib import Path
from typing import Any

from lingshu_train.executors.jobs import Share
from lingshu_train.runs import processes
from lingshu_train.runs.cluster import Cluster

LOOK = 1.0
"""Seconds between two looks at whether this process is asked to stop."""
_KILLED = "killed.txt"
"""Beside the tasks' logs: a line for each that was killed, whose own log ends without a word of it."""


def run(share: Share, tasks: int, cluster: Cluster, logs: Path) -> Generator[None]:
    ranks = _ranks(share, tasks, logs)
    forked = multiprocessing.get_context("fork")
    waiting = iter(range(tasks))
    running: list[ForkProcess] = []
    try:
        while True:
            while len(running) < max(cluster.preparing, 1) and (rank := next(waiting, None)) is not None:
                running.append(forked.Process(name=f"task {rank}", target=_do, args=(ranks, rank)))
                running[-1].start()
            if not running:
                return
            wait([one.sentinel for one in running], timeout=LOOK)
            for one in running:
                if (one.exitcode or 0) < 0:
                    _note(logs, one)
            running = [one for one in running if one.exitcode is None]
            yield
    finally:
        for one in running:
            one.kill()
            one.join()


def _ranks(share: Share, tasks: int, logs: Path) -> Any:
    """datatrove's executor of these tasks, which does one of them, with its log, by `one(rank)`."""
    from datatrove.executor.local import LocalPipelineExecutor

    class Ranks(LocalPipelineExecutor):  # type: ignore[misc]
        def one(self, rank: int) -> None:
            # A rank that is not the first of its machine tells the terminal of faults alone.
            self._run_for_rank(rank, local_rank=1)

    # The jobs' own files say what is done; a mark of a task would outlive them.
    return Ranks([share], tasks=tasks, logging_dir=str(logs), skip_completed=False)


def _do(ranks: Any, rank: int) -> None:
    processes.end_with_parent()
    ranks.one(rank)


def _note(logs: Path, killed: ForkProcess) -> None:
    with (logs / _KILLED).open("a", encoding="utf-8") as stream:
        stream.write(f"{killed.name}: killed by {signal.Signals(-(killed.exitcode or 0)).name}\n")
