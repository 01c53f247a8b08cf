"""Start the processes of each stage, in order, and skip what is done. Decides nothing that the plan has not decided."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

from lingshu_train import dist, stopping
from lingshu_train.environment import LAUNCHER
from lingshu_train.errors import LingshuError, RunAgain
from lingshu_train.planning.plan import Plan
from lingshu_train.running import faults, followers, launchers, nursery, ranks
from lingshu_train.runs import checkpoint, manifest, processes, snapshots
from lingshu_train.runs.run import trained_on
from lingshu_train.runs.stage import Stage

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
UNLESS_SET = {
    # Every batch has another length: without it, what is free on the device lies in pieces that fit none.
    "PYTORCH_ALLOC_CONF": "expandable_segments:True",
}
"""The same, where the user has not said otherwise."""
OLD_ALLOCATOR = "PYTORCH_CUDA_ALLOC_CONF"
"""The older name of PYTORCH_ALLOC_CONF. torch reads both, and its two readers differ in which goes first (AllocatorConfig.h,
CUDAAllocatorConfig.h), so that who has set the old one is given no other beside it."""

Say = Callable[[str], None]


def run(plan: Plan, say: Say, *, before: Callable[[Stage], None] = lambda _: None) -> None:
    """Run every stage that is not done, each in processes of its own. Told to stop, the next does not start (75). `before` is
    told each stage when all that come before it are done."""
    with stopping.listening(), warmed(plan):
        for number, stage in enumerate(plan.stages, 1):
            go_on(f"before stage {stage.name}")
            title = f"[{number}/{len(plan.stages)}] {stage.name}"
            before(stage)
            if manifest.finished(stage):
                checkpoint.clear_finished(stage)
                say(f"{title}: done, skipped ({stage.path.name})")
                continue
            path = prepare(stage)
            say(f"{title}: {stage.kind} -> {stage.path.name}")
            with followed(plan, stage, say), named(stage):
                try:
                    ranks.together(stage, worker(path), environment(stage))
                finally:
                    snapshots.drop(stage.path)
        go_on("after the last stage")


def warmed(plan: Plan) -> AbstractContextManager[None]:
    """What starts the processes of stages in milliseconds, where at least two are to be done and both compute on the CPU."""
    to_do = [stage for stage in plan.stages if not manifest.finished(stage)]
    on_cpu = all(each.cluster.device == "cpu" or not gpus_here() for each in to_do)
    if len(to_do) < 2 or not on_cpu or not nursery.possible():
        return nullcontext()
    first = to_do[0]
    many = {"OMP_NUM_THREADS": "1"} if first.world_size > 1 else {}
    return nursery.beside({**many, **environment(first)})


def gpus_here() -> bool:
    """Whether the system shows a GPU that torch may find."""
    return any(Path(device).exists() for device in ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg"))


def go_on(where: str) -> None:
    """RunAgain (75) where this process was told to stop."""
    if number := stopping.asked():
        raise RunAgain(f"told to stop ({number.name}) {where}; run the same command again to go on")


def worker(path: Path) -> list[str]:
    """The command of one rank."""
    return [sys.executable, "-m", "lingshu_train.running.worker", str(path)]


def command(stage: Stage, path: Path) -> list[str]:
    """The command that runs a stage; it can be typed by hand."""
    one = worker(path)
    return one if stage.world_size == 1 else [sys.executable, "-m", "lingshu_train.running.ranks", *one[1:]]


def several() -> bool:
    """Whether another program has started this process as one of several ranks."""
    return dist.place().world_size > 1


def world_size() -> int:
    return dist.place().world_size


def followed(plan: Plan, stage: Stage, say: Say) -> AbstractContextManager[None]:
    """The trackers beside a stage."""
    return followers.beside(
        stage,
        plan.trackers,
        cards=trained_on({each.name: each for each in plan.stages}, stage.name),
        environment=environment(stage, alone=True),
        say=say,
    )


def prepare(stage: Stage) -> Path:
    """Its folder, with what the processes read; what an earlier try said is taken away."""
    path = stage.write()
    (stage.path / faults.NAME).unlink(missing_ok=True)
    return path


def environment(stage: Stage, *, alone: bool = False) -> dict[str, str]:
    """The variables of a stage's processes. `alone`: of one process, whatever stands beside this one."""
    unset = {} if OLD_ALLOCATOR in os.environ else UNLESS_SET
    found = {**unset, **os.environ, **SETTINGS, LAUNCHER: processes.me()}
    if stage.world_size == 1:
        found[DEVICES] = one_device(found)
    if stage.cluster.threads:
        found["OMP_NUM_THREADS"] = str(stage.cluster.threads)
    if alone:
        for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE", *launchers.MEANT):
            found.pop(name, None)
    return found


DEVICES = "CUDA_VISIBLE_DEVICES"


def one_device(variables: Mapping[str, str]) -> str:
    """The first of the GPUs that a process may see: transformers takes one that sees several for many, and TRL refuses it.
    Empty where the user hides them all."""
    return variables.get(DEVICES, "0").split(",")[0]


@contextmanager
def named(stage: Stage) -> Iterator[None]:
    """Whatever ends the processes of a stage is told with the stage's name, and left in its folder."""
    try:
        yield
    except LingshuError as fault:
        faults.first(stage, fault, loud=False)
        raise faults.StageFailed(f"stage {stage.name} stopped: {fault}", fault.exit_code) from fault
