"""What each process of a stage runs: read stage.json, run the kind, write the manifest last."""

from __future__ import annotations

import errno
import json
import os
import platform
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from lingshu_train import dist, environment
from lingshu_train.errors import LingshuError, RecipeError
from lingshu_train.model.settings import Settings
from lingshu_train.runs import manifest
from lingshu_train.runs.files import ELSEWHERE, failure, write_json
from lingshu_train.runs.stage import Stage, read
from lingshu_train.schema import parse
from lingshu_train.stages import _kinds as kinds

FAULT = "error.json"
"""Where a failed rank leaves its one line and exit code, because launchers of several processes lose both."""

WRITING = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO)
"""Refusals of the operating system that the user can mend; any other is a defect of ours and keeps its traceback."""

TRACKERS = ("tensorboard", "trackio", "wandb")
"""What transformers and TRL load where it is installed. It belongs to processes of its own (trackers/), not beside weights."""


def main(path: str) -> int:
    """Run the stage described by `path` on this rank; returns the exit code."""
    stage = read(Path(path))
    try:
        _run(stage)
    except LingshuError as fault:
        return _report(stage, fault)
    except OSError as fault:
        if fault.errno not in WRITING:
            raise
        return _report(stage, _refused(stage, fault))
    return 0


def _refused(stage: Stage, fault: OSError) -> LingshuError:
    """What the operating system did not let us do, with the file it was about. Only where that is the stage's own would
    another output folder help."""
    place = Path(fault.filename) if isinstance(fault.filename, str) else stage.path
    return failure(place, fault, instead=ELSEWHERE if place.is_relative_to(stage.path) else "")


def _run(stage: Stage) -> None:
    started = time.monotonic()
    where = f"stages.{stage.name}"
    config = kinds.read(stage.config, where=where)
    config.check(where)
    model = parse(Settings, stage.model, where="model", error=RecipeError)
    budget = model.budget
    config.check_pictures(where, grid=budget.grid, least=budget.min_pixels, most=budget.max_pixels)
    run = kinds.run_of(stage.kind)
    device, threads = _device(stage) if config.distributed else ("cpu", environment.threads())
    dist.start(stage.content, device=device)
    results = run(stage, config, model)
    dist.barrier()
    if dist.place().first:
        here = manifest.environment(
            device=device, processor=_processor(device), world_size=dist.place().world_size, threads=threads
        )
        seconds = time.monotonic() - started
        manifest.write(stage, ran_on=here, results=results, outputs=list(config.outputs), seconds=seconds)
    dist.barrier()
    dist.stop()


def _device(stage: Stage) -> tuple[str, int]:
    import torch

    from lingshu_train.training import arguments

    arguments.silence()
    if stage.cluster.threads:
        torch.set_num_threads(stage.cluster.threads)
    return arguments.device(stage), torch.get_num_threads()


def _processor(device: str) -> str:
    """The processor or the GPU, with the vector instructions torch uses: enough to explain a difference in a last bit."""
    torch = sys.modules.get("torch")
    if torch is None:
        return platform.processor() or platform.machine()
    if device == "cuda":
        return str(torch.cuda.get_device_name(0))
    return f"{platform.processor() or platform.machine()} {torch.backends.cpu.get_cpu_capability()}"


def _report(stage: Stage, fault: LingshuError) -> int:
    target = stage.path / FAULT
    # Several ranks may meet the same fault; the first to write speaks.
    if not target.exists():
        sys.stderr.write(f"lingshu: {fault}\n")
        # On a full disk the exit code and the line above are all that the launcher has.
        with suppress(LingshuError):
            write_json(
                target, {"message": str(fault), "exit_code": fault.exit_code, "rank": dist.place().rank}
            )
    sys.stderr.flush()
    return fault.exit_code


def reported(stage: Stage) -> tuple[str, int] | None:
    """The fault a rank of this stage reported, if any: message and exit code."""
    target = stage.path / FAULT
    if not target.is_file():
        return None
    data = json.loads(target.read_text(encoding="utf-8"))
    return str(data["message"]), int(data["exit_code"])


def _keep_out(packages: Sequence[str]) -> None:
    """Make these packages look as if they were not installed."""
    for package in packages:
        sys.modules.setdefault(package, None)  # type: ignore[arg-type]


if __name__ == "__main__":
    _keep_out(TRACKERS)
    code = main(sys.argv[1])
    sys.stdout.flush()
    sys.stderr.flush()
    # All that counts is on disk. Going through the interpreter's own end would wait for other ranks after a fault, and now
    # and then aborts without one, when a library's thread outlives what it uses.
    os._exit(code)
