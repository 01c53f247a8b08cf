"""From the signal to the end: seconds from SIGTERM at a stage's launcher to its exit, and to the checkpoint, beside the step's own.

    python benchmarks/stopping.py

Real stages of the tests' tiny model on one and two processes, told to stop at a moment drawn within a step of SFT, a window of
GRPO (completions for two steps are drawn at once) and a save. What remains is the rest of the step or window, a checkpoint, and the
end of the processes; so each case stands beside the median step of its own ledger. Every run has to end with exit code 75 and a
checkpoint. The result is benchmarks/results/stopping.json.
"""

from __future__ import annotations

import json
import os
import platform
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests" / "support"))
os.environ.setdefault("OMP_NUM_THREADS", "1")

import tiny  # noqa: E402
import torch  # noqa: E402

from lingshu_train.errors import RunAgain  # noqa: E402
from lingshu_train.running import launch  # noqa: E402
from lingshu_train.runs import checkpoint, ledger  # noqa: E402
from lingshu_train.runs.stage import Stage  # noqa: E402

RESULT = HERE / "results" / "stopping.json"
REPEATS, KNOWN, STEPS = 5, 4, 400
SFT = tiny.sft(steps=STEPS, save_every=STEPS, accumulation=4)
SAVES = tiny.sft(steps=STEPS, save_every=1, accumulation=4)
GRPO = tiny.grpo(steps=STEPS, save_every=STEPS)


@dataclass(frozen=True, slots=True)
class Case:
    """`within`: what is going on when the signal comes, a step (or window) or a save."""

    name: str
    config: dict[str, Any]
    ranks: int
    within: str


CASES = [
    Case(f"{name}, {ranks} process{'es' if ranks > 1 else ''}", config, ranks, within)
    for name, config, within in (
        ("SFT, in a step", SFT, "step"),
        ("SFT, in a save", SAVES, "save"),
        ("GRPO, in a window", GRPO, "step"),
    )
    for ranks in (1, 2)
]


def main() -> None:
    random.seed(0)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        prepare(root)
        # One of each case in turn: what else the machine does meets all of them.
        found = {case.name: list[dict[str, float]]() for case in CASES}
        for number in range(REPEATS):
            for case in CASES:
                found[case.name].append(stopped(root, case, number))
    head = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=HERE, capture_output=True, text=True, check=False
    )
    data = {
        "what": __doc__.splitlines()[0],
        "date": time.strftime("%Y-%m-%d"),
        "commit": head.stdout.strip(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[2]:.0f}",
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "repeats": REPEATS,
        "cases": {name: summary(runs) for name, runs in found.items()},
    }
    RESULT.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(data, indent=1))


def prepare(root: Path) -> None:
    tiny.draw_corpus(root / "data")
    tiny.draw_corpus(root / "short", reasoning=False)
    build = tiny.make_stage(
        root, "base", {"kind": "build", "corpus": "data"}, parents={"data": root / "data"}
    )
    warm = tiny.make_stage(
        root,
        "warm",
        tiny.sft(data=[{"corpus": "short", "tasks": []}], steps=30, save_every=30),
        parents={"short": root / "short", "base": root / "base"},
    )
    for stage in (build, warm):
        if tiny.run(stage):
            sys.exit((stage.path / "log.txt").read_text(encoding="utf-8"))


def stopped(root: Path, case: Case, number: int) -> dict[str, float]:
    """One run, told to stop: seconds to the checkpoint and to the exit, and the median step before."""
    parents = {name: root / name for name in ("data", "short", "base", "warm")}
    name = f"{case.name.replace(' ', '-').replace(',', '')}-{number}"
    stage = tiny.make_stage(
        root / name, case.config["kind"], case.config, parents=parents, world_size=case.ranks
    )
    path = stage.write()
    ranks = [sys.executable, "-m", "lingshu_train.running.ranks", "-m", "lingshu_train.running.worker"]
    log = stage.path / "log.txt"
    with log.open("wb") as out:
        process = subprocess.Popen([*ranks, path], env=launch.environment(stage), stdout=out, stderr=out)
    while tiny.steps_done(stage) < KNOWN:
        if process.poll() is not None:
            sys.exit(log.read_text(encoding="utf-8"))
        time.sleep(0.01)
    step = statistics.median(line["seconds"] for line in ledger.steps(stage.path)[1:])
    if case.within == "step":
        time.sleep(random.uniform(0, step * 2))
    else:
        while not list((stage.path / checkpoint.FOLDER).glob(".writing-*")):
            time.sleep(0.001)
    process.send_signal(signal.SIGTERM)
    since = time.monotonic()
    newest = saved(stage)
    written = 0.0
    while process.poll() is None:
        if not written and saved(stage) > newest:
            written = time.monotonic() - since
        time.sleep(0.002)
    took = time.monotonic() - since
    if process.returncode != RunAgain.exit_code or not saved(stage):
        sys.exit(f"{case.name}: ended with {process.returncode}\n{log.read_text(encoding='utf-8')}")
    return {"exit_s": took, "checkpoint_s": written or took, "step_s": step}


def saved(stage: Stage) -> int:
    """Committed checkpoints."""
    return len(list((stage.path / checkpoint.FOLDER).glob("step-*")))


def summary(runs: list[dict[str, float]]) -> dict[str, float]:
    return {
        "signal_to_exit_s": round(statistics.median(one["exit_s"] for one in runs), 2),
        "at_most_s": round(max(one["exit_s"] for one in runs), 2),
        "signal_to_checkpoint_s": round(statistics.median(one["checkpoint_s"] for one in runs), 2),
        "step_s": round(statistics.median(one["step_s"] for one in runs), 2),
        "exit_in_steps": round(statistics.median(one["exit_s"] / one["step_s"] for one in runs), 1),
    }


if __name__ == "__main__":
    main()
