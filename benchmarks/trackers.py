"""What following a stage costs it: the same stage with and without trackers, turn by turn, the same bits each time.

    python benchmarks/trackers.py --rounds 7

Runs one stage of the quickstart (its alignment, lengthened) again and again through `lingshu run`, without a tracker and with
each, in an order that turns with every round, so that a busy machine is busy for all of them. The result is
benchmarks/results/trackers.json: seconds of the whole command, processor seconds of all its processes, seconds of a step as the
ledger has them, and the ratio of their medians to those without.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from importlib import metadata
from pathlib import Path
from typing import Any

from lingshu_train.runs import ledger, manifest

RESULT = Path(__file__).parent / "results" / "trackers.json"
ALONE = "none"
KINDS = {
    ALONE: (),
    "tensorboard": ("tensorboard",),
    "wandb offline": ("wandb",),
    "trackio": ("trackio",),
    "all three": ("tensorboard", "wandb", "trackio"),
}
STAGE = "shallow"
WARM_UP = 10
"""Steps whose seconds are not counted."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=120)
    parser.add_argument("--out", type=Path, default=RESULT)
    parser.add_argument("--note", default="", help="what a reader must know of the machine")
    arguments = parser.parse_args()
    walls: dict[str, list[float]] = {kind: [] for kind in KINDS}
    busy: dict[str, list[float]] = {kind: [] for kind in KINDS}
    steps: dict[str, list[float]] = {kind: [] for kind in KINDS}
    weights = set()
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "run"
        train(output, arguments.steps, ())  # prepares the data, builds the model, fills the page cache
        for number in range(arguments.rounds):
            kinds = list(KINDS)
            for kind in kinds[number % len(kinds) :] + kinds[: number % len(kinds)]:
                before = _processor_seconds()
                wall, seconds, digest = train(output, arguments.steps, KINDS[kind])
                walls[kind].append(wall)
                busy[kind].append(_processor_seconds() - before)
                steps[kind].append(statistics.median(seconds[WARM_UP:]))
                weights.add(digest)
                print(
                    f"{number + 1} {kind}: {wall:.2f} s, {busy[kind][-1]:.2f} s of processor, step {steps[kind][-1] * 1000:.1f} ms",
                    flush=True,
                )
    assert len(weights) == 1, "a tracker changed a bit"
    data = {
        "what": f"quickstart, stage {STAGE} of {arguments.steps} steps, `lingshu run` with and without trackers",
        "date": time.strftime("%Y-%m-%d"),
        "commit": _commit(),
        "note": arguments.note,
        "hardware": {"processor": _processor(), "cores": os.cpu_count(), "load_before": round(load, 2)},
        "versions": {
            name: metadata.version(name) for name in ("torch", "trl", "tensorboard", "wandb", "trackio")
        },
        "rounds": arguments.rounds,
        "weights": "the same sha256 in every run",
        "wall_s": {kind: _told(walls[kind], walls[ALONE]) for kind in KINDS},
        "processor_s": {kind: _told(busy[kind], busy[ALONE]) for kind in KINDS},
        "step_s": {kind: _told(steps[kind], steps[ALONE]) for kind in KINDS},
    }
    arguments.out.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(json.dumps({key: data[key] for key in ("wall_s", "processor_s", "step_s")}, indent=1))


def train(output: Path, steps: int, trackers: tuple[str, ...]) -> tuple[float, list[float], str]:
    """Wall seconds of the command, seconds of each step, and the digest of the weights."""
    for old in [*output.glob(f"{STAGE}-*"), output / "trackers"]:
        shutil.rmtree(old, ignore_errors=True)
    chosen = ",".join(f"{{name: {name}}}" for name in trackers)
    changes = [f"stages.{STAGE}.steps={steps}", f"stages.{STAGE}.save_every={steps}", f"trackers=[{chosen}]"]
    command = [sys.executable, "-m", "lingshu_train", "run", "quickstart", f"output={output}"]
    started = time.monotonic()
    done = subprocess.run(
        [*command, f"pipeline=[data,base,{STAGE}]", *changes], capture_output=True, text=True, check=False
    )
    wall = time.monotonic() - started
    assert done.returncode == 0 and "tracker" not in done.stderr, done.stderr
    (folder,) = output.glob(f"{STAGE}-*")
    seconds = [float(line["seconds"]) for line in ledger.steps(folder)]
    return wall, seconds, manifest.file_digest(next((folder / "model").glob("*.safetensors")))


def _told(values: list[float], alone: list[float]) -> dict[str, Any]:
    return {
        "median": round(statistics.median(values), 4),
        "least": round(min(values), 4),
        "most": round(max(values), 4),
        "ratio_of_medians": round(statistics.median(values) / statistics.median(alone), 4),
        "ratio_of_least": round(min(values) / min(alone), 4),
    }


def _processor_seconds() -> float:
    """Of every process that ended so far below this one."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _commit() -> str:
    found = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
    return found.stdout.strip()


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")),
        platform.machine(),
    )


if __name__ == "__main__":
    main()
