"""Times a loader from stored rows to collated batches, and writes down what its batches hold, row by row.

Imported by the program of each system, in that system's own environment: numpy, torch and the standard library only.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.metadata
import json
import platform
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

BATCH, WARM_UP = 8, 3
"""Rows per batch, and untimed batches before the clock starts."""
SAVED_ROWS = 8
"""Rows whose pixels `inspect` keeps for comparison."""
IMAGE_TOKEN, IGNORED = 151_655, -100

Batch = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """What a system makes once, before training: seconds, and bytes on disk beside the rows themselves."""

    seconds: float = 0.0
    size: int = 0


@dataclass(frozen=True, kw_only=True)
class System:
    """A loader to time. `prepare` and `batches` get the rows' folder; a pass of `batches` is one epoch, in stored order.

    `notes` say how it was set up. `packages` are those whose versions count.
    """

    prepare: Callable[[Path], Prepared]
    batches: Callable[[Path], Callable[[], Iterable[Batch]]]
    packages: Sequence[str]
    notes: dict[str, str] = field(default_factory=dict)


def main(system: System) -> None:
    """The command line that every system's program shares: FOLDER prepare|measure|inspect OUT."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("action", choices=["prepare", "measure", "inspect"])
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    folder = options.folder.resolve()
    if options.action == "prepare":
        made = system.prepare(folder)
        result: dict[str, Any] = {"seconds": round(made.seconds, 1), "bytes": made.size}
    elif options.action == "measure":
        result = measure(system.batches(folder))
    else:
        result = {
            "rows": inspect(system.batches(folder)(), options.out.with_suffix(".npz")),
            "versions": versions(system.packages),
            "notes": system.notes,
        }
    options.out.write_text(json.dumps(result) + "\n", encoding="utf-8")


def measure(epoch: Callable[[], Iterable[Batch]]) -> dict[str, float]:
    """Rows per second of wall clock and of one core's time, over a whole epoch after `WARM_UP` batches of another."""
    for n, _ in enumerate(epoch(), start=1):
        if n == WARM_UP:
            break
    rows, wall, core = 0, time.perf_counter(), time.process_time()
    for batch in epoch():
        rows += len(batch["input_ids"])
    wall, core = time.perf_counter() - wall, time.process_time() - core
    return {"rows": rows, "per_second": rows / wall, "per_core_second": rows / core}


def inspect(batches: Iterable[Batch], pixels: Path) -> list[dict[str, Any]]:
    """Per row: digests and counts of what the model gets; the pixels of the first rows go to an .npz file."""
    found: list[dict[str, Any]] = []
    saved: dict[str, np.ndarray[Any, Any]] = {}
    for batch in batches:
        patches = 0
        for i, mask in enumerate(batch["attention_mask"].bool()):
            ids, labels = batch["input_ids"][i][mask], batch["labels"][i][mask]
            grid = batch["image_grid_thw"][i]
            values = batch["pixel_values"][patches : patches + int(grid.prod())]
            patches += int(grid.prod())
            if len(found) < SAVED_ROWS:
                saved[str(len(found))] = values.float().numpy()
            taught = labels[labels != IGNORED]
            found.append(
                {
                    "tokens": len(ids),
                    "image_tokens": int((ids == IMAGE_TOKEN).sum()),
                    "label_tokens": len(taught),
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
