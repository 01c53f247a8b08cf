"""datatrove's Slurm executor: the tasks are those of a job array, on nodes that see the same folders."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Generator
from pathlib import Path

from lingshu_train.documents import read_text
from lingshu_train.errors import MissingInput, RunAgain
from lingshu_train.executors.jobs import Share
from lingshu_train.runs.cluster import Cluster
from lingshu_train.runs.files import write_text

POLL = 5.0
"""Seconds between two looks at the queue."""
FAILED = 120
"""Looks at the queue that may fail one after another: ten minutes, in which a controller is started anew."""
_SILENT = 60.0
"""Seconds after which a squeue that says nothing is given up."""
_SUBMITTED = "submitted"
"""Beside the tasks' logs, while they may run: the number of the array. A run that was killed waits for it and submits none."""


def run(share: Share, tasks: int, cluster: Cluster, logs: Path) -> Generator[None]:
    marker = logs / _SUBMITTED
    if marker.is_file():
        # Of a run that was killed. What it has left is done by an array of this round, not of the next: waiting does nothing.
        yield from _wait(marker)
        if not share.jobs.left():
            return
    write_text(marker, _submit(share, tasks, cluster, logs))
    yield from _wait(marker)


def _wait(marker: Path) -> Generator[None]:
    """Until the array has ended. MissingInput (66): there is no squeue. RunAgain (75): it fails for ten minutes."""
    number = read_text(marker).strip()
    failed = 0
    while True:
        queued, fault = _queued(number)
        if not queued:
            break
        failed = failed + 1 if fault else 0
        if failed >= FAILED:
            raise RunAgain(
                f"cluster.executor=slurm: squeue has failed {failed} times, every {POLL:g} s; nobody knows whether array "
                f"{number} has ended: {fault}; run the same command again to go on"
            )
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


def _queued(number: str) -> tuple[bool, str]:
    """Whether a task of the array waits or runs; and why squeue did not say so. A controller that does not answer has not said
    that the array ended."""
    try:
        found = subprocess.run(
            ["squeue", "--noheader", "--format=%T", f"--jobs={number}"],
            capture_output=True,
            text=True,
            check=False,
            timeout=_SILENT,
        )
    except FileNotFoundError:
        raise MissingInput(
            f"cluster.executor=slurm: there is no squeue here, and array {number} may still run; run it on a node that submits"
        ) from None
    except subprocess.TimeoutExpired:
        return True, f"no answer within {_SILENT:g} s"
    if not found.returncode:
        return bool(found.stdout.strip()), ""
    ended = "Invalid job id" in found.stderr
    return not ended, " ".join(found.stderr.split()) or f"exit code {found.returncode}"
