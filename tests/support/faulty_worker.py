"""Something becomes not finite in a real stage: patches for this process, and a worker that runs a stage with them.

A fault says `step`, `what` (loss, gradient, weight, saved, chances), `times` (how often, over all that begin anew; -1 always),
`rank` (-1: every one), and `count`, a file that keeps how often it has happened. The worker reads it from FAULT.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from trl import GRPOTrainer, SFTTrainer

from lingshu_train import dist
from lingshu_train.rollouts._drawing import Drawing
from lingshu_train.running import launch, worker
from lingshu_train.runs.stage import Stage
from lingshu_train.stages.grpo.windows import Windowed
from lingshu_train.training.guarded import Guarded

Patch = Callable[[type, str, Any], None]


class Fault(NamedTuple):
    what: str
    step: int
    times: int
    rank: int
    count: str

    def due(self, step: int, what: str) -> bool:
        """Whether it happens now; counts it."""
        rank = dist.place().rank
        if (self.what, self.step) != (what, step) or self.rank not in (-1, rank):
            return False
        count = Path(f"{self.count}-{rank}")
        done = len(count.read_bytes()) if count.exists() else 0
        if done == self.times:
            return False
        count.write_bytes(b"." * (done + 1))
        return True


def start(stage: Stage, fault: Fault) -> subprocess.Popen[bytes]:
    """A stage in processes of its own, as the launcher does."""
    # Found by tests, and not by the worker that this file is.
    import started_there

    command = started_there.worker(launch.command(stage, stage.write()), "tests.support.faulty_worker")
    environment = launch.environment(stage) | {"FAULT": json.dumps(fault._asdict())}
    with (stage.path / "log.txt").open("ab") as log:
        return subprocess.Popen(command, env=environment, stdout=log, stderr=log)


def install(fault: Fault, patch: Patch) -> None:
    for kind in (SFTTrainer, GRPOTrainer):
        _losses(fault, kind, patch)
    _weights_before_they_are_written(fault, patch)
    _chances(fault, patch)


def _losses(fault: Fault, kind: Any, patch: Patch) -> None:
    whole, step, clip = kind.compute_loss, kind.training_step, kind._clip_grad_norm

    def compute_loss(self: Any, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        loss = whole(self, model, inputs, *args, **kwargs)
        # An infinity whose gradients are finite: the sum over ranks alone would not tell.
        return loss + float("inf") if fault.due(self.next_step, "loss") else loss

    def training_step(self: Any, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        if fault.due(self.next_step, "weight"):
            spoil(self.model)
        return step(self, model, inputs, *args, **kwargs)

    def clip_grad_norm(self: Any, model: Any) -> Any:
        if fault.due(self.next_step, "gradient"):
            next(p for p in model.parameters() if p.grad is not None).grad.view(-1)[0] = float("nan")
        return clip(self, model)

    patch(kind, "compute_loss", compute_loss)
    patch(kind, "training_step", training_step)
    patch(kind, "_clip_grad_norm", clip_grad_norm)


def _weights_before_they_are_written(fault: Fault, patch: Patch) -> None:
    whole = Guarded.look_at_weights

    def look_at_weights(self: Any, step: int) -> None:
        if step == self.state.global_step and fault.due(step, "saved"):
            spoil(self.model)
        whole(self, step)

    patch(Guarded, "look_at_weights", look_at_weights)


def _chances(fault: Fault, patch: Patch) -> None:
    """One score of the first token of a window's first completion."""
    begin, score = Windowed._draw, Drawing.__call__
    due: list[bool] = []

    def draw(self: Any, *args: Any) -> Any:
        if fault.due(self.next_step, "chances"):
            due.append(True)
        return begin(self, *args)

    def scored(self: Any, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        if due:
            due.clear()
            scores[0, 0] = float("nan")
        return score(self, input_ids, scores)

    patch(Windowed, "_draw", draw)
    patch(Drawing, "__call__", scored)


@torch.no_grad()
def spoil(model: Any) -> None:
    """One weight, of this rank's share."""
    weight = next(model.parameters())
    (weight if weight.numel() else weight.ds_tensor).data.view(-1)[0] = float("nan")


if __name__ == "__main__":
    worker._keep_out(worker.TRACKERS)
    install(Fault(**json.loads(os.environ["FAULT"])), setattr)
    code = worker.main(sys.argv[1])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
