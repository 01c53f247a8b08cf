"""Start the processes of each stage, in order, and skip what is done. Decides nothing that the plan has not decided."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from lingshu_train import dist
from lingshu_train.errors import LingshuError, RunAgain
from lingshu_train.planning.plan import Plan
from lingshu_train.running import followers
from lingshu_train.running.worker import FAULT, reported
from lingshu_train.runs import manifest
from lingshu_train.runs.run import trained_on
from lingshu_train.runs.stage import Stage, read

if TYPE_CHECKING:
    from torch.distributed import PrefixStore  # type: ignore[attr-defined]

SETTINGS = {
    "TOKENIZERS_PARALLELISM": "false",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "PYTHONHASHSEED": "0",
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
    "TRL_EXPERIMENTAL_SILENCE": "1",
    # Batches of pixels are tens of megabytes: kept by the process, their pages are not asked of the kernel anew each time.
    "MALLOC_MMAP_THRESHOLD_": "4294967296",
    "MALLOC_TRIM_THRESHOLD_": "4294967296",
    "MALLOC_TOP_PAD_": "67108864",
    "PYTHONWARNINGS": "ignore::FutureWarning,ignore::DeprecationWarning",
}
"""Set before a worker's Python starts: determinism, the allocator, no chatter of the libraries between our own lines."""

Say = Callable[[str], None]


class StageFailed(LingshuError):
    """A stage ended with a fault it already reported; carries its exit code."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def run(plan: Plan, say: Say) -> None:
    """Run every stage that is not done, each in processes of its own."""
    for number, stage in enumerate(plan.stages, 1):
        title = f"[{number}/{len(plan.stages)}] {stage.name}"
        if manifest.done(stage.path):
            say(f"{title}: done, skipped ({stage.path.name})")
            continue
        path = _prepare(stage)
        say(f"{title}: {stage.kind} -> {stage.path.name}")
        with _followed(plan, stage, say):
            code = _wait(command(stage, path), _environment(stage))
        _finish(stage, code)


def attend(plan: Callable[[], Plan], say: Say) -> Plan | None:
    """The same under torchrun, once per rank: rank 0 plans, and the others learn each stage from the launcher's store.

    Returns the plan on rank 0, None elsewhere.
    """
    from torch.distributed import PrefixStore, TCPStore  # type: ignore[attr-defined]

    here = dist.place()
    store = TCPStore(
        os.environ["MASTER_ADDR"],
        int(os.environ["MASTER_PORT"]),
        is_master=here.first and os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True",
        wait_for_workers=False,
        timeout=timedelta(days=30),
    )
    shared = PrefixStore(f"lingshu/{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}", store)
    if not here.first:
        _follow(shared)
        return None
    made = plan()
    for number, planned in enumerate(made.planned, 1):
        stage = planned.stage
        title = f"[{number}/{len(made.stages)}] {stage.name}"
        if manifest.done(stage.path):
            say(f"{title}: done, skipped ({stage.path.name})")
            continue
        path = _prepare(stage)
        say(f"{title}: {stage.kind} on {stage.world_size} -> {stage.path.name}")
        with _followed(made, stage, say):
            if planned.config.distributed:
                shared.set(str(shared.add("count", 1)), str(path))
                worker = [sys.executable, "-m", "lingshu_train.running.worker", str(path)]
                code = _wait(worker, _environment(stage))
            else:
                code = _wait(command(stage, path), _environment(stage, alone=True))
        _finish(stage, code)
    shared.set(str(shared.add("count", 1)), "")
    return made


def command(stage: Stage, path: Path) -> list[str]:
    """The command that runs a stage; it can be typed by hand."""
    worker = ["-m", "lingshu_train.running.worker", str(path)]
    if stage.world_size == 1:
        return [sys.executable, *worker]
    start = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={stage.world_size}"]
    return [sys.executable, *start, *worker]


def under_torchrun() -> bool:
    return dist.place().world_size > 1


def world_size() -> int:
    return dist.place().world_size


def _follow(shared: PrefixStore) -> None:
    number = 1
    while path := shared.get(str(number)).decode():
        stage = read(Path(path))
        _finish(
            stage, _wait([sys.executable, "-m", "lingshu_train.running.worker", path], _environment(stage))
        )
        number += 1


def _followed(plan: Plan, stage: Stage, say: Say) -> AbstractContextManager[None]:
    return followers.beside(
        stage,
        plan.trackers,
        cards=trained_on({each.name: each for each in plan.stages}, stage.name),
        environment=_environment(stage, alone=True),
        say=say,
    )


def _prepare(stage: Stage) -> Path:
    path = stage.write()
    (stage.path / FAULT).unlink(missing_ok=True)
    return path


def _environment(stage: Stage, *, alone: bool = False) -> dict[str, str]:
    environment = {**os.environ, **SETTINGS}
    if stage.cluster.threads:
        environment["OMP_NUM_THREADS"] = str(stage.cluster.threads)
    if alone:
        for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE"):
            environment.pop(name, None)
    return environment


def _wait(argv: list[str], environment: dict[str, str]) -> int:
    """Run to the end, passing on a request to stop."""
    with subprocess.Popen(argv, env=environment) as process:
        before = {
            number: signal.signal(number, lambda n, _: process.send_signal(n))
            for number in (signal.SIGTERM, signal.SIGINT)
        }
        try:
            return process.wait()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _finish(stage: Stage, code: int) -> None:
    if code == 0:
        return
    found = reported(stage)
    if found:
        raise StageFailed(f"stage {stage.name} stopped: {found[0]}", found[1])
    if code < 0 or code > 128:
        number = -code if code < 0 else code - 128
        raise RunAgain(f"stage {stage.name}: killed by signal {number}; run the same command again to go on")
    raise StageFailed(f"stage {stage.name}: ended with exit code {code}; its output above says why", 70)
