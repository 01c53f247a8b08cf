"""What it costs that nothing that is not finite moves a weight: the guard's own time in a step, and what it keeps for running one again.

    python benchmarks/guards.py [--device cpu] [--steps 60] [--out FILE]

A supervised stage of the quickstart's model (32 rows a step, two micro-batches) is trained as the launcher starts it, on one and on two
processes. Every other step goes past the guard, straight to TRL's methods: the ratio of the medians of both is told. Within a
guarded step a clock runs while the guard's code does and stands while TRL's does: that is the guard's own time, which the ratio is too
coarse to show. Values that the host asks the device for are counted as torch dispatches them; on CUDA each of them waits.
Weights are looked at before each save: seconds for a GB, beside hashing as many bytes, which saving does as well.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests" / "support"))
os.environ.setdefault("OMP_NUM_THREADS", "1")

import circumstances  # noqa: E402
import tiny  # noqa: E402
import torch  # noqa: E402
from torch.utils._python_dispatch import TorchDispatchMode  # noqa: E402
from trl import SFTTrainer  # noqa: E402

from lingshu_train.planning import recipe  # noqa: E402
from lingshu_train.running import launch, worker  # noqa: E402
from lingshu_train.runs import hashes, ledger  # noqa: E402
from lingshu_train.runs.stage import Stage  # noqa: E402
from lingshu_train.training import soundness  # noqa: E402
from lingshu_train.training.guarded import UPSTREAM, Guarded  # noqa: E402

RESULT = HERE / "results" / "guards.json"
TOLD = "GUARDS"
"""The variable that tells a worker where its figures go, and whether it counts."""
WARM_UP, COUNTED, MICRO_BATCHES, ROWS = 10, 6, 2, 32
WEIGHTS, REPEATS = 250_000_000, 9
"""Weights of the model that is looked at (1 GB), and how often."""


class Clock:
    """Seconds that the guard's own code takes, step by step. TRL's code, which it calls and which calls it, is left out."""

    def __init__(self) -> None:
        self.own: dict[int, float] = {}
        self.kept: dict[str, int] = {}
        self.in_guard = False
        self._spent, self._since = 0.0, time.perf_counter()

    def switch(self, in_guard: bool) -> bool:
        """Whose code runs from here on; returns whose ran until now."""
        now, before = time.perf_counter(), self.in_guard
        if before:
            self._spent += now - self._since
        self._since, self.in_guard = now, in_guard
        return before

    def ended(self, step: int) -> None:
        self.own.setdefault(step, self._spent)
        self._spent = 0.0


class Asked(TorchDispatchMode):
    """How many values the host asked for, by whoever's code ran: one of a tensor, or a copy of it to the host."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.clock = clock
        self.values = {"guard": 0, "rest": 0}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        to_host = (
            func._overloadpacket is torch.ops.aten._to_copy and args[0].is_cuda and found.device.type == "cpu"
        )
        if func._overloadpacket is torch.ops.aten._local_scalar_dense or to_host:
            self.values["guard" if self.clock.in_guard else "rest"] += 1
        return found


def install(clock: Clock) -> None:
    """Send even steps past the guard, and time it in the others."""
    for name in UPSTREAM:
        setattr(SFTTrainer, name, _timed(getattr(SFTTrainer, name), clock))
        setattr(Guarded, name, _every_other(name, getattr(Guarded, name), clock))


def _timed(work: Callable[..., Any], clock: Clock) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        before = clock.switch(False)
        try:
            return work(*args, **kwargs)
        finally:
            clock.switch(before)

    return call


def _every_other(name: str, work: Callable[..., Any], clock: Clock) -> Callable[..., Any]:
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        step = int(self.state.global_step) if name == "log" else self.next_step
        if step % 2 == 0:
            found = getattr(super(Guarded, self), name)(*args, **kwargs)
        else:
            before = clock.switch(True)
            try:
                found = work(self, *args, **kwargs)
            finally:
                clock.switch(before)
        if name == "_clip_grad_norm" and step % 2:
            clock.kept = _kept(self)
        if name == "log":
            clock.ended(step)
        return found

    return call


def _kept(trainer: Any) -> dict[str, int]:
    """Bytes that the guard keeps of a step for running it again, beside its batches, which the loop keeps as well."""
    state = trainer._before
    tensors = [one for one in (state.host, state.chance) if one is not None]
    return {
        "random_state_bytes": sum(one.numel() * one.element_size() for one in tensors),
        "metrics": sum(map(len, state.metrics.values())),
        "weights_of_the_model": sum(one.numel() for one in trainer.model.parameters()),
    }


def work(path: str) -> int:
    """A worker of the stage, with the clock."""
    place, count = os.environ[TOLD].split(",")
    clock = Clock()
    install(clock)
    asked = Asked(clock)
    if count == "count":
        with asked:
            code = worker.main(path)
    else:
        code = worker.main(path)
    if os.environ.get("RANK", "0") == "0":
        figures = {"own": clock.own, "kept": clock.kept, "asked": asked.values}
        Path(place).write_text(json.dumps(figures), encoding="utf-8")
    return code


def train(root: Path, *, world: int, device: str, steps: int, count: bool = False) -> dict[str, Any]:
    """One stage, as the launcher starts it: the ledger's seconds of each step, the guard's own, and what it keeps."""
    wanted = tiny.sft(
        per_device_batch=ROWS // MICRO_BATCHES // world,
        accumulation=MICRO_BATCHES,
        steps=steps,
        save_every=steps,
    )
    name = f"sft-{world}-{'counted' if count else 'timed'}"
    parents = {"data": root / "data", "base": root / "base"}
    stage = tiny.make_stage(root, name, wanted, parents=parents, model=MODEL, world_size=world)
    stage = stage.model_copy(update={"cluster": stage.cluster.model_copy(update={"device": device})})
    command = launch.command(stage, stage.write())
    where = command.index("lingshu_train.running.worker")
    command[where - 1 : where + 1] = [__file__]
    place = root / f"{name}.json"
    told = {TOLD: f"{place},{'count' if count else 'time'}"}
    done = subprocess.run(
        command, env=launch.environment(stage) | told, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(done.stdout + done.stderr)
    figures: dict[str, Any] = json.loads(place.read_text(encoding="utf-8"))
    figures["seconds"] = {line["step"]: line["seconds"] for line in ledger.steps(stage.path)}
    return figures


MODEL: dict[str, Any] = recipe.load("quickstart").model.model_dump(mode="json")


def step_figures(root: Path, *, world: int, device: str, steps: int) -> dict[str, Any]:
    """Both arms, the guard's own time and what it asks the device for."""
    timed = train(root, world=world, device=device, steps=steps)
    counted = train(root, world=world, device=device, steps=COUNTED, count=True)
    seconds = {step: value for step, value in timed["seconds"].items() if step > WARM_UP}
    arms = {
        name: [seconds[step] for step in seconds if step % 2 == odd]
        for name, odd in (("guarded", 1), ("bare", 0))
    }
    medians = {name: statistics.median(values) for name, values in arms.items()}
    own = {step: timed["own"][str(step)] for step in seconds if step % 2}
    return {
        "step_ms": {name: round(1e3 * value, 2) for name, value in medians.items()},
        "guarded_over_bare": round(medians["guarded"] / medians["bare"], 4),
        "guard_us": round(1e6 * statistics.median(own.values()), 1),
        "guard_share_of_a_step": round(statistics.median(own[step] / seconds[step] for step in own), 6),
        "values_asked_by_the_guard_a_step": counted["asked"]["guard"] / (COUNTED // 2),
        "kept_to_run_again": timed["kept"],
    }


def look(root: Path, device: str) -> Mapping[str, float]:
    """Seconds per GB to look at weights, and to hash a file of as many bytes, by turns."""
    side = 4096
    model = torch.nn.ParameterList(torch.zeros(side, side, device=device) for _ in range(WEIGHTS // side**2))
    gigabytes = sum(one.numel() * one.element_size() for one in model) / 1e9
    file = root / "weights"
    file.write_bytes(os.urandom(1 << 20) * round(gigabytes * 1e9 / (1 << 20)))
    arms: dict[str, list[float]] = {"look": [], "hash": []}
    for _ in range(REPEATS):
        for name, do in (("look", lambda: soundness.unfinite(model)), ("hash", lambda: hashes.of([file]))):
            since = time.perf_counter()
            do()
            arms[name].append((time.perf_counter() - since) / gigabytes)
    found = {f"{name}_s_per_gb": round(statistics.median(values), 4) for name, values in arms.items()}
    return found | {"look_over_hash": round(found["look_s_per_gb"] / found["hash_s_per_gb"], 3)}


def prepare(root: Path) -> None:
    tiny.draw_corpus(root / "data")
    build: Stage = tiny.make_stage(
        root, "base", {"kind": "build", "corpus": "data"}, parents={"data": root / "data"}, model=MODEL
    )
    if tiny.run(build):
        sys.exit((build.path / "log.txt").read_text(encoding="utf-8"))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--worlds", type=int, nargs="+", default=[1, 2], help="numbers of processes")
    parser.add_argument("--out", type=Path, default=RESULT)
    chosen = parser.parse_args()
    told = circumstances.told("torch", "transformers", "trl", "accelerate")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        prepare(root)
        found = {
            "what": (__doc__ or "").partition("\n")[0],
            **told,
            "device": torch.cuda.get_device_name() if chosen.device == "cuda" else "cpu",
            "steps": chosen.steps,
            "by_processes": {
                str(world): step_figures(root, world=world, device=chosen.device, steps=chosen.steps)
                for world in chosen.worlds
            },
            "weights": look(root, chosen.device),
        }
    chosen.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    if TOLD in os.environ:
        sys.exit(work(sys.argv[1]))
    main()
