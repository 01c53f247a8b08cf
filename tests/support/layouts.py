"""One tiny stage of each training kind on any layout of processes, and work that the test processes share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import tiny
from filelock import FileLock

from lingshu_train.runs.stage import Stage

Layout = tuple[str, int, str]
"""Kind of stage, number of processes, how DeepSpeed divides them."""
SFT = 1e-5
"""Relative, of the loss and the gradient norm of every step."""

GRPO = 1e-4
"""The same. A loss within 1e-6 of another counts as equal: at the first step of a window it is zero but for rounding."""


def stage_for(base: Path, root: Path, layout: Layout) -> Stage:
    """A stage of the same global batch on any layout of processes: SFT, SFT with packing (two packs a step), GRPO, or GRPO with a KL term."""
    kind, world, deepspeed = layout
    config = {
        "sft": tiny.sft(per_device_batch=4 // world),
        "packed": tiny.sft(per_device_batch=1, accumulation=2 // world, packing=True, max_length=130),
        "grpo": tiny.grpo(per_device_batch=16 // world),
        "kl": tiny.grpo(per_device_batch=16 // world, kl_coefficient=0.04),
    }[kind]
    parents = {name: base / name for name in ("data", "short", "base", "warm")}
    return tiny.make_stage(root, kind, config, parents=parents, deepspeed=deepspeed, world_size=world)


def once(folder: Path, make: Callable[[Path], None]) -> Path:
    """`folder`, filled by `make` in the first test process that asks for it; the others wait for it."""
    with FileLock(f"{folder}.lock"):
        done = Path(f"{folder}.done")
        if not done.exists():
            make(folder)
            done.touch()
    return folder
