"""Measures the two ways of permuting by a key, by size: how far from uniform each is, and what it costs.

    python benchmarks/permutation.py [--out FILE] [--keys KEYS]

Bias is the root mean square of the relative error of a probability, from the excess of chi-square over its degrees of
freedom: that of the place of the last position, and that of the distance between the places of the first two. `noise` is
one standard deviation of a bias of 0 with so many keys. `permutation.SHUFFLED` says up to which size a shuffle is taken.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from order import _processor

from lingshu_train.data.order import permutation

SIZES = (3, 5, 8, 16, 33, 64, 100, 256, 1000, 1024, 2048, 4096, 16_384, 65_536)
BLOCK = 20_000  # keys at a time
COSTLY = 1 << 27  # places of shuffles that are too many to draw for a size


def bias(counts: np.ndarray, keys: int) -> float:
    """Root mean square relative error of the probabilities behind the counts."""
    cells = len(counts)
    chi_square = float((counts.astype(float) ** 2).sum()) * cells / keys - keys
    return round(max(0.0, (chi_square - (cells - 1)) / keys) ** 0.5, 4)


def biases(size: int, keys: int, *, shuffled: bool) -> dict[str, float]:
    last, distance = np.zeros(size, np.int64), np.zeros(size, np.int64)
    for start in range(0, keys, BLOCK):
        names = [f"{n}/0" for n in range(start, start + BLOCK)]
        which, positions = np.repeat(np.arange(BLOCK), 3), np.tile([0, 1, size - 1], BLOCK)
        ask = permutation._looked_up if shuffled else permutation._through_network
        places = ask(positions, size=size, keys=names, which=which).reshape(-1, 3)
        last += np.bincount(places[:, 2], minlength=size)
        distance += np.bincount((places[:, 1] - places[:, 0]) % size, minlength=size)
    noise = (2 * size) ** 0.25 / keys**0.5
    return {"place": bias(last, keys), "distance": bias(distance[1:], keys), "noise": round(noise, 4)}


def nanoseconds(work: Callable[[], Any], rows: int) -> float:
    """A row's share of the fastest of twenty."""
    times = []
    for _ in range(20):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return round(1e9 * min(times) / rows, 1)


def measured(size: int, keys: int) -> dict[str, Any]:
    every = np.arange(size)
    network = permutation._through_network
    found: dict[str, Any] = {
        "network": {
            **biases(size, keys, shuffled=False),
            "ns_a_row": nanoseconds(lambda: network(every, size=size, keys=["0/0"], which=None), size),
        },
        "shuffle": {"ns_a_row": nanoseconds(lambda: permutation._shuffles(size, ["0/0"]), size)},
    }
    drawn = min(keys, COSTLY // size // BLOCK * BLOCK)
    if drawn:
        found["shuffle"] |= {"keys": drawn, **biases(size, drawn, shuffled=True)}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path)
    parser.add_argument("--keys", type=int, default=2_000_000)
    args = parser.parse_args()
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
    result = {
        "date": datetime.now(UTC).date().isoformat(),
        "commit": commit.stdout.strip(),
        "hardware": {"processor": _processor(), "cores": os.cpu_count()},
        "versions": {"python": platform.python_version(), "numpy": np.__version__},
        "keys": args.keys,
        "shuffled_up_to": permutation.SHUFFLED,
        "sizes": {f"{size:,}": measured(size, args.keys) for size in SIZES},
    }
    text = json.dumps(result, indent=1) + "\n"
    args.out.write_text(text) if args.out else print(text, end="")


if __name__ == "__main__":
    main()
