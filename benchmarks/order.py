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
from generated_rows import IMAGE_TOKENS, TOKENS, Lengths, generated

from lingshu_train.data.mixture import Ingredient, Mixture, Wish, draws_for
from lingshu_train.data.packing import Packs, deal, plan

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
    """An epoch's order and its packs, from stored lengths; the plan kept as a mapped file, as a run keeps it."""
    with tempfile.TemporaryDirectory() as folder:
        stored = _stored(generated(rows, images="even"), Path(folder))
        before = anonymous_memory()
        with Peak() as peak:
            timed = _timed_plan(rows, stored)
            mapped = _mapped(timed.pop("packs"), Path(folder))
        after = anonymous_memory()
        at = int(RESUME_AT * len(mapped))
        timed["first_batch_s"] = seconds(lambda: _batch(mapped, rows, 0))
        timed["resume_from_file_s"] = seconds(lambda: _batch(_map(Path(folder)), rows, at))
    timed["anonymous_bytes"] = {"before": before, "peak_in_planning": peak.bytes, "after": after}
    return timed


def _stored(lengths: Lengths, folder: Path) -> Lengths:
    np.save(folder / "tokens.npy", lengths.tokens)
    np.save(folder / "patches.npy", lengths.patches)
    return Lengths(
        np.load(folder / "tokens.npy", mmap_mode="r"), np.load(folder / "patches.npy", mmap_mode="r")
    )


def _timed_plan(rows: int, stored: Lengths) -> dict[str, Any]:
    found: dict[str, Any] = {}
    in_order: list[Lengths] = []
    found["order_s"] = seconds(
        lambda: in_order.__setitem__(slice(None), [_in_order(mixture_of(rows), stored)])
    )
    tokens, patches = in_order[0].tokens, in_order[0].patches
    planned: list[Packs] = []

    def pack() -> None:
        planned.clear()
        planned.append(plan(tokens, patches, tokens=TOKENS, most_patches=MOST_PATCHES))

    found["packs_s"] = seconds(pack)
    found["plan_s"] = {
        clock: round(found["order_s"][clock] + found["packs_s"][clock], 4) for clock in ("wall", "cpu")
    }
    found["rows_packed_per_s"] = {clock: round(rows / time) for clock, time in found["packs_s"].items()}
    return {**found, "fill": planned[0].fill(tokens), "packs": planned[0]}


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


def _mapped(packs: Packs, folder: Path) -> Packs:
    np.save(folder / "order.npy", packs.order)
    np.save(folder / "offsets.npy", packs.offsets)
    del packs
    return _map(folder)


def _map(folder: Path) -> Packs:
    order, offsets = (np.load(folder / f"{name}.npy", mmap_mode="r") for name in ("order", "offsets"))
    return Packs(order=order, offsets=offsets, tokens=TOKENS)


def _batch(packs: Packs, rows: int, first: int) -> list[tuple[int, int]]:
    """Rows of a global batch of 16 packs."""
    mixture = mixture_of(rows)
    return _samples(mixture, (int(n) for pack in range(first, first + 16) for n in packs[pack]))


def quality(rows: int) -> dict[str, Any]:
    """Fill, and how long ranks wait for the slowest: the mean over steps of highest over mean cost of its packs."""
    found = {}
    for images in IMAGE_TOKENS:
        lengths = generated(rows, images=images)
        budgets = {"no_patch_budget": None, "patch_budget": MOST_PATCHES}
        found[images] = {name: _quality(lengths, most_patches=budget) for name, budget in budgets.items()}
        found[images]["mean_tokens"] = float(lengths.tokens.mean())
        found[images]["mean_patches_per_full_pack"] = float(
            lengths.patches.sum(dtype=np.int64) / lengths.tokens.sum(dtype=np.int64) * TOKENS
        )
    return found


def _quality(lengths: Lengths, *, most_patches: int | None) -> dict[str, Any]:
    packs = plan(lengths.tokens, lengths.patches, tokens=TOKENS, most_patches=most_patches)
    patches = packs.sums(lengths.patches)
    # A 7B: 15.2 GF a token, 0.4 MF a pair of tokens that see each other, 1.35 GF a patch with the tower trained.
    pairs = packs.sums(lengths.tokens.astype(np.int64) ** 2) / 2
    cost = 15.2 * packs.sums(lengths.tokens) + 0.0004 * pairs + 1.35 * patches
    waits = {}
    for ranks in (8, 64):
        per_batch = 8 * ranks
        whole = cost[: len(cost) // per_batch * per_batch]
        waits[str(ranks)] = {
            "as_planned": _wait(whole, ranks),
            "dealt_in_batches_of_8_steps": _wait(whole[deal(whole, ranks=ranks, per_batch=per_batch)], ranks),
        }
    return {
        "fill": packs.fill(lengths.tokens),
        "packs_without_image": float((patches == 0).mean()),
        "most_patches_in_a_pack": int(patches.max()),
        "slowest_over_mean_by_ranks": waits,
    }


def _wait(cost: np.ndarray, ranks: int) -> float:
    steps = cost.reshape(-1, ranks)
    return round(float((steps.max(axis=1) / steps.mean(axis=1)).mean()), 4)


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


def _apart(name: str, rows: int) -> Any:
    command = [sys.executable, __file__, "--measure", name, "--large", str(rows)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path)
    parser.add_argument("--small", type=int, default=1_000_000)
    parser.add_argument("--large", type=int, default=5_000_000)
    parser.add_argument("--measure", choices=[*MEASURES, "quality"], help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        print(json.dumps({**MEASURES, "quality": quality}[args.measure](args.large)))
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
