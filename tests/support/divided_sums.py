"""How far DeepSpeed's gradient of a step of many micro-steps in bfloat16 is from their sum in float64, at each level of ZeRO.

Run as a script, on one process: prints a line `LEVEL MICRO_STEPS ERROR` (relative, of the whole gradient) for each.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator

import deepspeed
import torch
from deepspeed.utils import safe_get_full_grad
from torch import nn

from lingshu_train import shipped

MICRO = 64


def batches() -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    chance = torch.Generator().manual_seed(1)
    for _ in range(MICRO):
        yield tuple(torch.randn(4, size, generator=chance).bfloat16() for size in (64, 8))  # type: ignore[misc]


def error(level: int) -> float:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(64, 128), nn.Tanh(), nn.Linear(128, 8))
    alone = nn.Sequential(nn.Linear(64, 128), nn.Tanh(), nn.Linear(128, 8))
    alone.load_state_dict(model.state_dict())
    alone.bfloat16()
    path = shipped.folder("launch") / "deepspeed" / f"zero{level}.json"
    settings = json.loads(path.read_text(encoding="utf-8"))
    settings["bf16"]["enabled"] = True
    settings |= {
        "train_micro_batch_size_per_gpu": 4,
        "gradient_accumulation_steps": MICRO,
        "gradient_clipping": 1.0,
    }
    engine, *_ = deepspeed.initialize(
        model=model, optimizer=torch.optim.AdamW(model.parameters()), config=settings
    )
    wanted = [torch.zeros_like(one, dtype=torch.float64) for one in alone.parameters()]
    for number, (given, taught) in enumerate(batches(), 1):
        own = ((alone(given) - taught) ** 2).float().mean() / MICRO
        for total, part in zip(wanted, torch.autograd.grad(own, list(alone.parameters())), strict=True):
            total += part.double()
        engine.backward(((engine(given) - taught) ** 2).float().mean())
        if number < MICRO:
            engine.step()
    found = [safe_get_full_grad(one) for one in engine.module.parameters()]
    apart = sum(float(((a.double() - b) ** 2).sum()) for a, b in zip(found, wanted, strict=True))
    return float((apart / sum(float((one**2).sum()) for one in wanted)) ** 0.5)


if __name__ == "__main__":
    os.environ |= {
        "RANK": "0",
        "WORLD_SIZE": "1",
        "LOCAL_RANK": "0",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": sys.argv[1],
    }
    deepspeed.ops.__compatible_ops__ = {}
    deepspeed.init_distributed("gloo", auto_mpi_discovery=False, verbose=False)
    for level in (1, 2, 3):
        print(f"\nzero{level} {MICRO} {error(level):.3e}", flush=True)
