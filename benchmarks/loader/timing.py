"""Times a loader from stored rows to collated batches, and writes down what its batches hold, row by row.

Imported by the program of each system, in that system's own environment: numpy, torch and the standard library only.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch

BATCH, WARM_UP, TIMED = 8, 1, 8
"""Rows per batch; batches before the clock starts and under the clock, at each measurement."""
INSPECTED, SAVED = 12, 8
"""Batches that are compared row by row, and rows whose pixels are kept for comparison."""
IMAGE_TOKEN, IGNORED = 151_655, -100

Batch = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """What a system makes once, before training: seconds of one core, and bytes on disk beside the rows themselves."""

    core_seconds: float
    size: int


@dataclass(frozen=True, kw_only=True)
class System:
    """A loader to time. `prepare` and `batches` get the rows' folder; a pass of `batches` is one epoch, in stored order.

    `packages` are those whose versions count.
    """

    prepare: Callable[[Path], Prepared]
    batches: Callable[[Path], Callable[[], Iterable[Batch]]]
    packages: Sequence[str]


def main(system: System) -> None:
    """The command line that every system's program shares: FOLDER and an open file descriptor for the replies.

    Each line of standard input asks for one of prepare, inspect FILE.npz, and measure; each reply is a line of JSON.
    """
    folder, replies = Path(sys.argv[1]).resolve(), int(sys.argv[2])
    torch.set_num_threads(1)
    running: Iterator[Batch] | None = None
    for line in sys.stdin:
        action, _, file = line.strip().partition(" ")
        result: dict[str, Any]
        if action == "prepare":
            made = system.prepare(folder)
            result = {"core_seconds": round(made.core_seconds, 1), "bytes": made.size}
        elif action == "inspect":
            rows = inspect(system.batches(folder)(), Path(file))
            result = {"rows": rows, "versions": versions(system.packages)}
        else:
            running = running or endless(system.batches(folder))
            result = measure(running)
        os.write(replies, json.dumps(result).encode() + b"\n")


def endless(epoch: Callable[[], Iterable[Batch]]) -> Iterator[Batch]:
    """Epoch after epoch: a measurement goes on where the one before stopped."""
    while True:
        yield from epoch()


def measure(batches: Iterator[Batch]) -> dict[str, float]:
    """Rows per second of wall clock and of one core's time, over `TIMED` batches after `WARM_UP` others."""
    for _ in range(WARM_UP):
        next(batches)
    wall, core = time.perf_counter(), time.process_time()
    rows = sum(len(next(batches)["input_ids"]) for _ in range(TIMED))
    wall, core = time.perf_counter() - wall, time.process_time() - core
    return {"rows": rows, "per_second": rows / wall, "per_core_second": rows / core}


def inspect(batches: Iterable[Batch], pixels: Path) -> list[dict[str, Any]]:
    """Per row: digests and counts of what the model gets; the pixels of the first rows go to an .npz file."""
    found: list[dict[str, Any]] = []
    saved: dict[str, np.ndarray[Any, Any]] = {}
    for batch in islice(batches, INSPECTED):
        patches = 0
        for i, mask in enumerate(batch["attention_mask"].bool()):
            ids, labels = batch["input_ids"][i][mask], batch["labels"][i][mask]
            grid = batch["image_grid_thw"][i]
            values = batch["pixel_values"][patches : patches + int(grid.prod())]
            patches += int(grid.prod())
            if len(found) < SAVED:
                saved[str(len(found))] = values.float().numpy()
            found.append(
                {
                    "tokens": len(ids),
                    "image_tokens": int((ids == IMAGE_TOKEN).sum()),
                    "label_tokens": int((labels != IGNORED).sum()),
                    "grid": grid.tolist(),
                    "ids": digest(ids),
                    "labels": digest(labels),
                    "pixels": digest(values),
                }
            )
        assert patches == len(batch["pixel_values"]), "rows and pixels do not match"
    np.savez(pixels, **saved)
    return found


def digest(tensor: torch.Tensor) -> str:
    return hashlib.sha256(np.ascontiguousarray(tensor.numpy()).tobytes()).hexdigest()[:16]


def versions(packages: Sequence[str]) -> dict[str, str]:
    named = ("torch", "transformers", "pillow", "numpy", "datasets", *packages)
    installed = {
        dist.metadata["Name"].lower().replace("_", "-"): dist.version
        for dist in importlib.metadata.distributions()
    }
    found = {name: installed.get(name, "not installed") for name in (*named, "torchvision")}
    return {"python": platform.python_version(), **found}


def size(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
