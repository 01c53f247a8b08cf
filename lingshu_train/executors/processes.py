"""datatrove's local executor: the tasks are processes of this machine, `cluster.preparing` at once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lingshu_train.executors.jobs import Share
from lingshu_train.runs.cluster import Cluster


def run(share: Share, tasks: int, cluster: Cluster, logs: Path) -> Iterator[None]:
    from datatrove.executor.local import LocalPipelineExecutor

    executor = LocalPipelineExecutor(
        [share],
        tasks=tasks,
        workers=min(max(cluster.preparing, 1), tasks),
        logging_dir=str(logs),
        # The jobs' own files say what is done; a mark of a task would outlive them.
        skip_completed=False,
    )
    executor.run()
    yield
