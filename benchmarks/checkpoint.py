"""How long a save holds training, and how long until there is a checkpoint: written at once, and beside the steps.

    python benchmarks/checkpoint.py [--out FILE] [--parameters MILLIONS]

The state of an AdamW in float32 (weights as safetensors, two moments as torch saves them) is put down and committed by the writer of
the stages, by turns at once and beside; meanwhile steps of matrix products go on, so that what writing beside costs them shows.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import circumstances
import torch
from safetensors.torch import save_file

from lingshu_train.kind import About
from lingshu_train.runs.cluster import Cluster
from lingshu_train.runs.stage import Stage
from lingshu_train.training.writing import Writer

RESULT = Path(__file__).resolve().parent / "results" / "checkpoint.json"
TURNS = 7


def stage(folder: Path) -> Stage:
    """A stage that has a folder and nothing else."""
    return Stage(
        run="benchmark",
        name="sft",
        kind="sft",
        content="benchmark",
        folder=str(folder),
        parents={},
        about=About(role="model", method="", cards=(), trains=(), starts_from="", charts=()),
        config={},
        model={},
        cluster=Cluster(name="benchmark"),
        world_size=1,
        seed=0,
        data_root="",
        version="",
    )


def state(millions: float) -> dict[str, torch.Tensor]:
    rows = int(millions * 1e6) // 1024
    return {name: torch.randn(rows, 1024) for name in ("weights", "exp_avg", "exp_avg_sq")}


def step(matrix: torch.Tensor) -> float:
    since = time.perf_counter()
    for _ in range(4):
        matrix @ matrix
    return time.perf_counter() - since


def saved(
    writer: Writer, number: int, kept: dict[str, torch.Tensor], matrix: torch.Tensor
) -> dict[str, float]:
    """Seconds that one save holds training, until it is a checkpoint, and the median step meanwhile."""
    since = time.perf_counter()
    folder = writer.begin(number, needed=12 * kept["weights"].numel()) / f"checkpoint-{number}"
    folder.mkdir()
    save_file({"weights": kept["weights"]}, folder / "model.safetensors")
    torch.save({name: kept[name] for name in ("exp_avg", "exp_avg_sq")}, folder / "optimizer.pt")
    put_down = time.perf_counter() - since
    writer.commit(number)
    held = time.perf_counter() - since
    steps = []
    while writer.busy:
        steps.append(step(matrix))
    writer.settle()
    whole = time.perf_counter() - since
    found = {"held_s": held, "put_down_s": put_down, "until_whole_s": whole}
    return {**found, "step_s": statistics.median(steps)} if steps else found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, default=RESULT)
    parser.add_argument("--parameters", type=float, default=25.0)
    options = parser.parse_args()
    told = circumstances.told("torch", "safetensors")
    kept, matrix = state(options.parameters), torch.randn(512, 512)
    arms: dict[str, list[dict[str, float]]] = {"at_once": [], "beside": []}
    with tempfile.TemporaryDirectory(dir=options.out.resolve().parent) as root:
        writers = {name: Writer(stage(Path(root) / name), keep=1, beside=name == "beside") for name in arms}
        alone = statistics.median(step(matrix) for _ in range(20))
        for turn in range(1, TURNS + 1):
            for name, writer in writers.items():
                arms[name].append(saved(writer, turn, kept, matrix))
        for writer in writers.values():
            writer.close()
    result: dict[str, Any] = {
        **told,
        "bytes": 12 * kept["weights"].numel(),
        "step_alone_s": round(alone, 5),
        "medians": {name: medians(turns) for name, turns in arms.items()},
        "turns": arms,
    }
    held = {name: result["medians"][name]["held_s"] for name in arms}
    result["held_ratio"] = round(held["beside"] / held["at_once"], 3)
    options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(
        json.dumps(
            {name: result[name] for name in ("bytes", "step_alone_s", "medians", "held_ratio")}, indent=1
        )
    )


def medians(turns: list[dict[str, float]]) -> dict[str, float]:
    names = {name for each in turns for name in each}
    return {
        name: round(statistics.median(each[name] for each in turns if name in each), 5)
        for name in sorted(names)
    }


if __name__ == "__main__":
    main()
