"""One tiny stage of each training kind on any layout of processes, and work that the test processes share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import tiny
from filelock import FileLock

from lingshu_train.runs.stage import Stage

Layout = tuple[str, int, str]
"""Kind of stage, number of processes, how DeepSpeed divides them, and after a plus sign what it keeps on the host."""
SFT = 1e-5
"""Relative, of the loss and the gradient norm of every step."""

GRPO = 1e-4
"""The same. A loss within 1e-6 of another counts as equal: at the first step of a window it is zero but for rounding."""


LORA: dict[str, Any] = {
    "train": {"language_model": {"lora": {"rank": 4}}, "merger": "full"},
    "learning_rate": {"language_model": 2e-2, "merger": 2e-3},
}
"""An adapter beside a part that trains whole, each at its own rate."""


def stage_for(base: Path, root: Path, layout: Layout) -> Stage:
    """A stage of the same global batch on any layout of processes: SFT, SFT in packs (two a step) and end to end, GRPO, GRPO with a KL
    term, SFT with moments of 8 bits, and some of these with an adapter on the language model beside a merger that trains whole."""
    kind, world, divided = layout
    deepspeed, _, offload = divided.partition("+")
    config = {
        "sft": tiny.sft(per_device_batch=4 // world),
        "8bit": tiny.sft(per_device_batch=4 // world, optimizer="adamw_8bit"),
        "packed": tiny.sft(per_device_batch=1, accumulation=2 // world, layout="packs", max_length=130),
        "end_to_end": tiny.sft(per_device_batch=2, accumulation=2 // world, layout="end_to_end"),
        "grpo": tiny.grpo(per_device_batch=16 // world),
        "kl": tiny.grpo(per_device_batch=16 // world, kl_coefficient=0.04),
        "lora": tiny.sft(per_device_batch=4 // world, **LORA),
        "lora-packed": tiny.sft(
            per_device_batch=1, accumulation=2 // world, layout="packs", max_length=130, **LORA
        ),
        "lora-kl": tiny.grpo(per_device_batch=16 // world, kl_coefficient=0.04, **LORA),
    }[kind]
    parents = {name: base / name for name in ("data", "short", "base", "warm")}
    return tiny.make_stage(
        root,
        kind,
        config,
        parents=parents,
        deepspeed=deepspeed,
        offload=offload or "none",
        world_size=world,
    )


def once(folder: Path, make: Callable[[Path], None]) -> Path:
    """`folder`, filled by `make` in the first test process that asks for it; the others wait for it."""
    with FileLock(f"{folder}.lock"):
        done = Path(f"{folder}.done")
        if not done.exists():
            make(folder)
            done.touch()
    return folder
