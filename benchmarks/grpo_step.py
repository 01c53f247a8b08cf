"""Core seconds of a GRPO step at the quickstart's shapes, of one checkout or several beside each other.

    python benchmarks/grpo_step.py [--tree FOLDER ...] [--out FILE]

A short instruction tuning from nothing, then the quickstart's `rl` twice, a few steps and more; what the difference takes, over
the steps it has, is a step: drawing, rewards, old policy, reference and update, without start and loading. Cores that are shared
make a step slower and take no more of it: user and system time of all processes are counted.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from order import _processor

FEW, MORE = 4, 12
BASE = [
    "pipeline=[data,base,instruct,rl]",
    "stages.instruct.base=base",
    "stages.instruct.steps=60",
    "stages.instruct.save_every=60",
    "stages.instruct.watch=null",
    "stages.rl.watch=null",
    "stages.rl.save_every=100",
]
SHAPES: dict[str, list[str]] = {
    "quickstart": [],
    "tower and merger frozen": [
        "stages.rl.train=[language_model]",
        "~stages.rl.learning_rate.vision_tower",
        "~stages.rl.learning_rate.merger",
    ],
    "four updates a window, 16 completions a pass": [
        "stages.rl.update_prompts=8",
        "stages.rl.per_device_batch=16",
    ],
}
PACKAGES = ("torch", "transformers", "trl", "numpy")


def spent(tree: Path, output: Path, changes: list[str]) -> float:
    """User and system seconds of a run and all it started."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [
        sys.executable,
        "-m",
        "lingshu_train",
        "run",
        "quickstart",
        f"output={output}",
        *BASE,
        *changes,
    ]
    environment = os.environ | {"PYTHONPATH": str(tree), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{tree}: {done.stderr[-2000:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def step(tree: Path, output: Path, changes: list[str]) -> float:
    """Core seconds of one step."""
    few, more = (spent(tree, output, [*changes, f"stages.rl.steps={steps}"]) for steps in (FEW, MORE))
    return (more - few) / (MORE - FEW)


def measured(tree: Path) -> dict[str, Any]:
    found = {}
    with tempfile.TemporaryDirectory() as name:
        output = Path(name) / "run"
        spent(tree, output, ["pipeline=[data,base,instruct]"])
        for shape, changes in SHAPES.items():
            found[shape] = round(step(tree, output, changes), 2)
            print(f"{tree}: {shape}: {found[shape]} core seconds a step", file=sys.stderr)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    here = Path(__file__).resolve().parents[1]
    parser.add_argument("--tree", type=Path, action="append", help="a checkout; this one where none is named")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=here, capture_output=True, text=True, check=True
    ).stdout
    result = {
        "date": datetime.now(UTC).date().isoformat(),
        "commit": commit.strip(),
        "hardware": {"processor": _processor(), "cores": os.cpu_count()},
        "versions": {"python": platform.python_version()} | {name: version(name) for name in PACKAGES},
        "steps": [FEW, MORE],
        "core_seconds_a_step": {tree.name: measured(tree.resolve()) for tree in args.tree or [here]},
    }
    text = json.dumps(result, indent=1) + "\n"
    args.out.write_text(text) if args.out else print(text, end="")


if __name__ == "__main__":
    main()
