"""What each process of a stage runs: read stage.json, run the kind, write the manifest last."""

from __future__ import annotations

import errno
import os
import platform
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from signal import Signals
from typing import NoReturn

from lingshu_train import dist, environment, pulse, stopping
from lingshu_train.errors import LingshuError, RecipeError, RunAgain
from lingshu_train.kind import StageConfig
from lingshu_train.model.settings import Settings
from lingshu_train.running import checking, faults
from lingshu_train.runs import checkpoint, holding, manifest
from lingshu_train.runs.files import ELSEWHERE, failure
from lingshu_train.runs.stage import Stage, read
from lingshu_train.schema import parse
from lingshu_train.stages import _kinds as kinds
from lingshu_train.training.divergence import GoneBack

WRITING = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO)
"""Refusals of the operating system that the user can mend; any other is a defect of ours and keeps its traceback."""

TRACKERS = ("tensorboard", "trackio", "wandb")
"""What transformers and TRL load where it is installed. It belongs to processes of its own (trackers/), not beside weights."""


def main(path: str) -> int:
    """Run the stage described by `path` on this rank; returns the exit code."""
    pulse.start()
    stage = read(Path(path))
    stopping.listen(lambda number: _end(stage, number))
    try:
        with holding.holding(stage.path, dist.group()):
            _run(stage)
    except GoneBack as fault:
        if number := stopping.asked():
            return _report(
                stage, RunAgain(f"told to stop ({number.name}); {fault}; run the same command again to go on")
            )
        _go_back(fault)
    except LingshuError as fault:
        return _report(stage, fault)
    except OSError as fault:
        if fault.errno not in WRITING:
            return _raised(stage, fault)
        return _report(stage, _refused(stage, fault))
    except Exception as fault:  # noqa: BLE001 - whatever a rank raises is to be told by its first line
        return _raised(stage, fault)
    if number := stopping.asked():
        done = f"told to stop ({number.name}); the stage was at its end and is finished; run the same command again to go on"
        return _report(stage, RunAgain(done))
    return 0


def _end(stage: Stage, number: Signals) -> None:
    """Told to stop before there is anything to save: what is on disk is what a kill would leave, and that is gone on from."""
    told = f"told to stop ({number.name}); what was finished is kept; run the same command again to go on"
    _report(stage, RunAgain(told))
    os._exit(RunAgain.exit_code)


def _go_back(fault: GoneBack) -> NoReturn:
    if dist.place().first:
        sys.stderr.write(f"lingshu: {fault}\n")
    pulse.pass_on()
    dist.begin_anew()


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
    config.check_layers(where, model.shape.layers())
    run = kinds.run_of(stage.kind)
    device, threads = _device(stage) if config.distributed else ("cpu", environment.threads())
    if config.brief:
        stopping.listen()
    dist.start(stage.content, device=device, timeout_s=stage.cluster.collective_timeout)
    _bring_base(config, model)
    checked = checking.check(stage, config, model)
    results = run(stage, config, model)
    # The end of a stage is short, and all of its work hangs on it.
    stopping.listen()
    dist.barrier()
    if dist.place().first:
        here = manifest.environment(
            device=device, processor=_processor(device), world_size=dist.place().world_size, threads=threads
        )
        seconds = time.monotonic() - started
        manifest.write(
            stage,
            ran_on=here,
            results=results,
            outputs=list(config.leaves),
            seconds=seconds,
            inputs=checked,
        )
        checkpoint.clear_finished(stage)
    dist.barrier()
    dist.stop()


def _bring_base(config: StageConfig, model: Settings) -> None:
    """On machines that share no cache, one rank of each downloads the model that a stage opens, and the others wait for it. The
    command has brought it to its own machine already; not every verb that starts a stage does, so that where a key is named
    (LINGSHU_BASE_KEY) it is checked here, whatever started this process."""
    vetted = environment.base_key() is not None
    if not config.opens_base and not (vetted and config.counts_tokens):
        return
    if dist.place().world_size == 1 and not vetted:
        return
    if dist.place().local_rank == 0:
        from lingshu_train.hub import base

        base.need(model, say=_tell)
    dist.barrier()


def _tell(line: str) -> None:
    sys.stderr.write(f"lingshu: {line}\n")


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
    faults.first(stage, fault, loud=not pulse.heard())
    return fault.exit_code


def _raised(stage: Stage, fault: Exception) -> int:
    """A defect keeps its traceback, and its first line goes to the launcher, which says it once. A lost rank is none."""
    if dist.place().world_size > 1 and (why := faults.lost(fault)):
        return _report(
            stage,
            RunAgain(
                f"rank {dist.place().rank}: lost another rank ({why}); run the same command again to go on"
            ),
        )
    sys.stderr.write("".join(traceback.format_exception(fault)))
    sys.stderr.flush()
    text = str(fault).strip().partition("\n")[0]
    which = f"rank {dist.place().rank}: " if dist.place().world_size > 1 else ""
    told = f"{which}{type(fault).__name__}{': ' if text else ''}{text}; the lines above say where"
    faults.first(stage, faults.StageFailed(told, LingshuError.exit_code), loud=False)
    return LingshuError.exit_code


def reported(stage: Stage) -> tuple[str, int] | None:
    """The fault a rank of this stage left, if any: message and exit code."""
    found = faults.reported(stage)
    return (str(found), found.exit_code) if found else None


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
