"""One rank that sums a tensor over all ranks and says how long it takes; benchmarks/gpu.py starts them.

    python benchmarks/exchange.py BACKEND RANK WORLD STORE DEVICE

STORE is a file that all ranks meet in. Ranks share the one device.
"""

from __future__ import annotations

import json
import statistics
import sys
import time

import torch
import torch.distributed

REPEATS, VALUES = 11, 1 << 22


def main(backend: str, rank: int, world: int, store: str, device: str) -> None:
    if device == "cuda":
        torch.cuda.set_device(0)
    meeting = torch.distributed.FileStore(store, world)
    torch.distributed.init_process_group(backend, store=meeting, rank=rank, world_size=world)
    values = torch.full((VALUES,), float(rank + 1), device=device)
    torch.distributed.all_reduce(values)
    wanted = sum(range(1, world + 1))
    assert bool((values == wanted).all()), f"the sum is {values[0].item()}, not {wanted}"
    taken = []
    for _ in range(REPEATS):
        since = time.perf_counter()
        torch.distributed.all_reduce(values)
        if device == "cuda":
            torch.cuda.synchronize()
        taken.append(time.perf_counter() - since)
    torch.distributed.destroy_process_group()
    print(json.dumps({"16_mib_ms": round(1e3 * statistics.median(taken), 3)}))


if __name__ == "__main__":
    backend, rank, world, store, device = sys.argv[1:]
    main(backend, int(rank), int(world), store, device)
