"""datatrove's Ray executor: the tasks are Ray's, in a cluster that runs already, or in one of this machine alone."""

from __future__ import annotations

import signal
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

from lingshu_train import environment, stopping
from lingshu_train.errors import RunAgain
from lingshu_train.executors.jobs import Share
from lingshu_train.runs.cluster import Cluster

_STARTS = 4
"""Times that Ray is asked to start: it gives itself half a minute, which a busy machine may need more of."""


def run(share: Share, tasks: int, cluster: Cluster, logs: Path) -> Generator[None]:
    # Nothing is told to anybody, neither by this process nor by those that it starts.
    environment.give("RAY_USAGE_STATS_ENABLED", "0")
    from datatrove.executor.ray import RayPipelineExecutor

    wanted = cluster.submit
    with _ray(wanted.address, cores=max(cluster.preparing, 1)):
        executor = RayPipelineExecutor(
            [share],
            tasks=tasks,
            cpus_per_task=wanted.cores,
            mem_per_cpu_gb=wanted.memory_gb,
            logging_dir=str(logs),
            skip_completed=False,
        )
        executor.run()
    yield


@contextmanager
def _ray(address: str, *, cores: int) -> Iterator[None]:
    """Connected to Ray, at `address` or started here with so many cores. RunAgain (75): it does not answer or start."""
    import ray

    here = {} if address else {"num_cpus": cores, "include_dashboard": False}
    for more in range(_STARTS - 1, -1, -1):
        try:
            with _our_signals(), stopping.reachable():
                ray.init(address=address or "local", log_to_driver=False, logging_level="error", **here)
            break
        except Exception as fault:  # noqa: BLE001 (Ray raises no narrower one where its half minute to start is over)
            ray.shutdown()
            if not more:
                raise RunAgain(f"cluster.executor=ray: Ray does not start or answer: {fault}") from None
    try:
        yield
    finally:
        ray.shutdown()


@contextmanager
def _our_signals() -> Iterator[None]:
    """Ray takes SIGTERM for itself and ends the process with a code of its own: who heard a request to stop before hears it."""
    before = {number: signal.getsignal(number) for number in stopping.SIGNALS}
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            for number, handler in before.items():
                signal.signal(number, handler)
