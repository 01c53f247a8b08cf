"""Measures order and packing on 1 M and 5 M generated rows: time to plan, to start, to resume; memory; fill; balance.

    python benchmarks/order.py [--out FILE] [--small ROWS] [--large ROWS]

Every measurement runs in a process of its own. Memory is RssAnon, which leaves out mapped files. Baselines, in the same
run on as many rows: torch's RandomSampler with accelerate's skip_first_batches, and datasets' shuffle and select.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from generated_rows import TOKENS, Lengths, generated
from pack_quality import quality

from lingshu_train.data.order.mixture import Ingredient, Mixture, Wish, draws_for
from lingshu_train.data.order.packing import Packs, plan

MOST_PATCHES, GLOBAL_BATCH, CARDS = 20_480, 128, 70
BLOCK = 500_000  # rows whose order is computed at a time
RESUME_AT = 0.8  # of the epoch: row 4 million of 5
REPEATS = 3


def mixture_of(rows: int, *, repeat: float = 1) -> Mixture:
    """As many cards as the paper names, of very different sizes, `rows` together."""
    weights = np.random.default_rng(0).lognormal(0, 1.5, CARDS)
    counts = np.maximum((weights / weights.sum() * rows).astype(int), 1)
    counts[-1] += rows - counts.sum()
    wishes = [Wish(name=f"card {i}", rows=int(count), repeat=repeat) for i, count in enumerate(counts)]
    return Mixture(
        tuple(Ingredient(wish.rows, draws) for wish, draws in zip(wishes, draws_for(wishes), strict=True)),
        seed=0,
    )


def anonymous_memory() -> int:
    """Bytes of this process that no file backs."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.partition("RssAnon:")[2].split()[0])


class Peak:
    """Highest anonymous memory while the block runs, sampled every 2 ms."""

    def __enter__(self) -> Peak:
        self.bytes, self._stop = anonymous_memory(), threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def _watch(self) -> None:
        while not self._stop.wait(0.002):
            self.bytes = max(self.bytes, anonymous_memory())

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


def seconds(work: Callable[[], Any], repeats: int = REPEATS) -> dict[str, float]:
    """Median time on the clock and of the processor."""
    wall, cpu = [], []
    for _ in range(repeats):
        start, cpu_start = time.perf_counter(), time.process_time()
        work()
        wall.append(time.perf_counter() - start)
        cpu.append(time.process_time() - cpu_start)
    return {"wall": round(statistics.median(wall), 6), "cpu": round(statistics.median(cpu), 6)}


def unpacked(rows: int) -> dict[str, Any]:
    """The mixture alone: nothing is stored, any sample is computed when it is asked for."""
    before = anonymous_memory()
    at = int(RESUME_AT * rows)
    found: dict[str, Any] = {
        "plan_s": seconds(lambda: mixture_of(rows)),
        "first_batch_s": seconds(lambda: _samples(mixture_of(rows), range(GLOBAL_BATCH))),
        "resume_s": seconds(lambda: _samples(mixture_of(rows), range(at, at + GLOBAL_BATCH))),
    }
    held = mixture_of(rows)
    many = seconds(lambda: _samples(held, range(20_000)))
    found["samples_per_s"] = {clock: round(20_000 / time) for clock, time in many.items()}
    found["anonymous_bytes"] = {"before": before, "after": anonymous_memory()}
    return found


def _samples(mixture: Mixture, numbers: Iterable[int]) -> list[tuple[int, int]]:
    return [mixture.locate(n) for n in numbers]


def packed(rows: int) -> dict[str, Any]:
    """A plan made by another process and mapped, as a training process has it."""
    with tempfile.TemporaryDirectory() as folder:
        found = _apart("planned", rows, "--folder", folder)
        before = anonymous_memory()
        at = int(RESUME_AT * len(_map(Path(folder))))
        found["first_batch_s"] = seconds(lambda: _batch(_map(Path(folder)), rows, 0))
        found["resume_s"] = seconds(lambda: _batch(_map(Path(folder)), rows, at))
        found["anonymous_bytes"] = {"before": before, "after": anonymous_memory()}
    return found


def planned(rows: int, folder: Path) -> dict[str, Any]:
    """The first epoch's order, the stored lengths in it, and its packs, written to the folder."""
    stored = _stored(generated(rows, images="even"), folder)
    before = anonymous_memory()
    with Peak() as peak:
        found, packs = _timed_plan(rows, stored)
    np.save(folder / "order.npy", packs.order)
    np.save(folder / "offsets.npy", packs.offsets)
    return {**found, "planning_anonymous_bytes": {"before": before, "peak": peak.bytes}}


def _stored(lengths: Lengths, folder: Path) -> Lengths:
    np.save(folder / "tokens.npy", lengths.tokens)
    np.save(folder / "patches.npy", lengths.patches)
    return Lengths(
        np.load(folder / "tokens.npy", mmap_mode="r"), np.load(folder / "patches.npy", mmap_mode="r")
    )


def _timed_plan(rows: int, stored: Lengths) -> tuple[dict[str, Any], Packs]:
    kept: dict[str, Any] = {}

    def order() -> None:
        kept["lengths"] = _in_order(mixture_of(rows), stored)

    def pack() -> None:
        kept.pop("packs", None)
        lengths = kept["lengths"]
        kept["packs"] = plan(lengths.tokens, lengths.patches, tokens=TOKENS, most_patches=MOST_PATCHES)

    order_s, packs_s = seconds(order), seconds(pack)
    found = {
        "order_s": order_s,
        "packs_s": packs_s,
        "plan_s": {clock: round(order_s[clock] + packs_s[clock], 4) for clock in order_s},
        "rows_packed_per_s": {clock: round(rows / time) for clock, time in packs_s.items()},
        "fill": kept["packs"].fill(kept["lengths"].tokens),
    }
    return found, kept["packs"]


def _in_order(mixture: Mixture, stored: Lengths) -> Lengths:
    """The stored lengths in the order of the first epoch."""
    starts = np.cumsum([0, *(item.rows for item in mixture.ingredients)])
    found = Lengths(*(np.empty(mixture.size, np.int32) for _ in range(2)))
    for start in range(0, mixture.size, BLOCK):
        block = slice(start, min(start + BLOCK, mixture.size))
        numbers, rows = mixture.locate_many(np.arange(block.start, block.stop))
        rows += starts[numbers]
        found.tokens[block], found.patches[block] = stored.tokens[rows], stored.patches[rows]
    return found


def _map(folder: Path) -> Packs:
    order, offsets = (np.load(folder / f"{name}.npy", mmap_mode="r") for name in ("order", "offsets"))
    return Packs(order=order, offsets=offsets, tokens=TOKENS)


def _batch(packs: Packs, rows: int, first: int) -> list[tuple[int, int]]:
    """Rows of a global batch of 16 packs."""
    mixture = mixture_of(rows)
    return _samples(mixture, (int(n) for pack in range(first, first + 16) for n in packs[pack]))


def torch_sampler(rows: int) -> dict[str, Any]:
    """RandomSampler's permutation is a list of Python integers; skip_first_batches draws all that was before."""
    import torch
    from accelerate import skip_first_batches
    from torch.utils.data import DataLoader, RandomSampler

    def loader() -> DataLoader[Any]:
        generator = torch.Generator().manual_seed(0)
        data = range(rows)
        return DataLoader(data, batch_size=GLOBAL_BATCH, sampler=RandomSampler(data, generator=generator))  # type: ignore[arg-type]

    batches = int(RESUME_AT * rows) // GLOBAL_BATCH
    before = anonymous_memory()
    with Peak() as peak:
        first = seconds(lambda: next(iter(loader())), repeats=1)
        resumed = seconds(lambda: next(iter(skip_first_batches(loader(), batches))), repeats=1)
    return {
        "first_batch_s": first,
        "resume_s": resumed,
        "anonymous_bytes": {"before": before, "peak": peak.bytes},
    }


def datasets_shuffle(rows: int) -> dict[str, Any]:
    """datasets' shuffle keeps a permutation of all rows; select takes the rest of the epoch."""
    import datasets

    data = datasets.Dataset.from_dict({"row": np.arange(rows)})
    at = int(RESUME_AT * rows)
    before = anonymous_memory()
    with Peak() as peak:
        first = seconds(lambda: data.shuffle(seed=0)[:GLOBAL_BATCH], repeats=1)
        resumed = seconds(lambda: data.shuffle(seed=0).select(range(at, rows))[:GLOBAL_BATCH], repeats=1)
    return {
        "first_batch_s": first,
        "resume_s": resumed,
        "anonymous_bytes": {"before": before, "peak": peak.bytes},
    }


MEASURES = {
    "unpacked": unpacked,
    "packed": packed,
    "torch_sampler": torch_sampler,
    "datasets_shuffle": datasets_shuffle,
}


def measured(small: int, large: int) -> Iterator[tuple[str, Any]]:
    for name in MEASURES:
        found = {f"{rows:,}": _apart(name, rows) for rows in (small, large)}
        yield name, found
        memory = [rows["anonymous_bytes"] for rows in found.values()]
        last = "after" if "after" in memory[0] else "peak"
        yield f"{name}: anonymous memory, large over small", round(memory[1][last] / memory[0][last], 4)
    yield "quality", _apart("quality", min(small, 1_000_000))


def _apart(name: str, rows: int, *more: str) -> Any:
    command = [sys.executable, __file__, "--measure", name, "--large", str(rows), *more]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path)
    parser.add_argument("--small", type=int, default=1_000_000)
    parser.add_argument("--large", type=int, default=5_000_000)
    parser.add_argument("--measure", choices=[*MEASURES, "planned", "quality"], help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        measures = {**MEASURES, "quality": quality, "planned": lambda rows: planned(rows, args.folder)}
        print(json.dumps(measures[args.measure](args.large)))
        return
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True
    ).stdout.strip()
    load = os.getloadavg()[0]
    result = {
        "date": datetime.now(UTC).date().isoformat(),
        "commit": commit,
        "hardware": {"processor": _processor(), "cores": os.cpu_count(), "load_before": round(load, 1)},
        "versions": {
            "python": platform.python_version(),
            **{
                name: importlib.metadata.version(name)
                for name in ("numpy", "torch", "accelerate", "datasets")
            },
        },
        "tokens": TOKENS,
        "most_patches": MOST_PATCHES,
        "resume_at": f"{int(RESUME_AT * 100)} % of the epoch",
        **dict(measured(args.small, args.large)),
    }
    text = json.dumps(result, indent=1) + "\n"
    args.out.write_text(text) if args.out else print(text, end="")


def _processor() -> str:
    names = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if "model name" in line
    ]
    return names[0] if names else platform.machine()


if __name__ == "__main__":
    main()
