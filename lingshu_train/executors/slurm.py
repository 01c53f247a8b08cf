"""datatrove's Slurm executor: the tasks are those of a job array, on nodes that see the same folders."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from lingshu_train.errors import MissingInput, RunAgain
from lingshu_train.executors.jobs import Share
from lingshu_train.runs.cluster import Cluster
from lingshu_train.runs.files import write_text

POLL = 5.0
"""Seconds between two looks at the queue."""
_SUBMITTED = "submitted"
"""Beside the tasks' logs, while they may run: the number of the array. A run that was killed waits for it and submits none."""


def run(share: Share, tasks: int, cluster: Cluster, logs: Path) -> Iterator[None]:
    marker = logs / _SUBMITTED
    if not marker.is_file():
        write_text(marker, _submit(share, tasks, cluster, logs))
    number = marker.read_text(encoding="utf-8").strip()
    while _queued(number):
        yield
        time.sleep(POLL)
    marker.unlink()


def _submit(share: Share, tasks: int, cluster: Cluster, logs: Path) -> str:
    """Submit the array; its number."""
    from datatrove.executor.slurm import SlurmPipelineExecutor

    wanted = cluster.submit

    class Array(SlurmPipelineExecutor):  # type: ignore[misc]
        def launch_merge_stats(self) -> None:
            """None: it would be a job of its own, which waits for ever once a task has failed."""

        def get_sbatch_args(self, max_array: int = 1) -> dict[str, object]:
            found: dict[str, object] = super().get_sbatch_args(max_array)
            return {name: value for name, value in found.items() if name != "partition" or value}

    executor = Array(
        [share],
        tasks=tasks,
        time=wanted.time,
        partition=wanted.partition,
        cpus_per_task=wanted.cores,
        mem_per_cpu_gb=wanted.memory_gb,
        job_name=f"lingshu-{share.jobs.title}",
        qos=wanted.options.get("qos", ""),
        # The interpreter's own folder, where datatrove's starter lies.
        env_command=f'export PATH="{Path(sys.executable).parent}:$PATH"',
        sbatch_args={name: value for name, value in wanted.options.items() if name != "qos"},
        # Another array begins after the one before: the last to end is the last that was submitted.
        max_array_size=wanted.array,
        logging_dir=str(logs),
        skip_completed=False,
    )
    try:
        executor.run()
    except FileNotFoundError:
        raise MissingInput(
            "cluster.executor=slurm: there is no sbatch here; run it on a node that submits"
        ) from None
    except subprocess.CalledProcessError as fault:
        raise RunAgain(f"cluster.executor=slurm: sbatch refused the array ({logs}): {fault}") from None
    return str(executor.job_id)


def _queued(number: str) -> bool:
    """Whether a task of the array waits or runs. A controller that does not answer has not said that it ended."""
    found = subprocess.run(
        ["squeue", "--noheader", "--format=%T", f"--jobs={number}"],
        capture_output=True,
        text=True,
        check=False,
    )
    if found.returncode:
        return "Invalid job id" not in found.stderr
    return bool(found.stdout.strip())
