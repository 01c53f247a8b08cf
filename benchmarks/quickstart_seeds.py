"""Does it learn, and does GRPO add to it? Runs the quickstart for several seeds, or reads finished runs, and records them.

    python benchmarks/quickstart_seeds.py 0 1 2          run these seeds below runs/seeds/, then record
    python benchmarks/quickstart_seeds.py --read RUN...  record finished runs

Seeds vary data, initial weights, order and sampling. The result is benchmarks/results/quickstart_seeds.json.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from lingshu_train.comparison import side_by_side, text
from lingshu_train.metrics._intervals import paired_difference
from lingshu_train.runs import manifest, results, run

RESULT = Path(__file__).parent / "results" / "quickstart_seeds.json"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("seeds", nargs="*", type=int)
    parser.add_argument("--read", nargs="*", type=Path, default=[])
    parser.add_argument("--out", type=Path, default=RESULT)
    parser.add_argument(
        "--note", default="", help="what a reader must know of these runs, such as a busy machine"
    )
    arguments = parser.parse_args()
    runs = [start(seed) for seed in arguments.seeds] + [(folder, None) for folder in arguments.read]
    records = [record(folder, wall) for folder, wall in runs]
    gains = [one["gain_points"] for one in records]
    first = manifest.read(
        next(run.read(runs[0][0]).folder(s) for s in run.read(runs[0][0]).stages if s.name == "rl")
    )
    data = {
        "what": "recipe quickstart: held-out greedy accuracy after instruction tuning and after GRPO",
        "date": time.strftime("%Y-%m-%d"),
        "note": arguments.note,
        "hardware": {
            "processor": _processor(),
            "cores": len(_cpus()),
            "threads_per_process": first.environment.threads,
        },
        "versions": first.environment.packages,
        "seeds": records,
        "gain_points": {"mean": round(statistics.mean(gains), 2), "each": gains},
    }
    arguments.out.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"{arguments.out}: mean gain {data['gain_points']['mean']} points over {len(gains)} seeds")
    if len(runs) > 1:
        print(text.text(side_by_side.compare([folder for folder, _ in runs])))


def start(seed: int) -> tuple[Path, float]:
    folder = Path("runs/seeds") / str(seed)
    begun = time.monotonic()
    subprocess.run(
        [sys.executable, "-m", "lingshu_train", "quickstart", f"seed={seed}", f"output={folder}"], check=True
    )
    return folder, round(time.monotonic() - begun, 1)


def record(folder: Path, wall: float | None) -> dict[str, Any]:
    found = run.read(folder)
    made = {stage.name: manifest.read(found.folder(stage)) for stage in found.stages}
    place = found.folder(found.stage("evaluate"))
    tables = results.read(place).models
    before, after = (
        {p.id: p.correct for p in results.predictions(place, name)} for name in ("instruct", "rl")
    )
    gain = paired_difference([after[i] for i in before], list(before.values()))
    return {
        "seed": made["rl"].stage.seed,
        "commit": made["rl"].environment.commit or "not recorded: ran from a copy outside a checkout",
        "uncommitted_changes": made["rl"].environment.uncommitted_changes
        if made["rl"].environment.commit
        else None,
        "stage_content": {name: one.stage.content for name, one in made.items()},
        "questions": tables["rl"]["all"].n,
        "best_constant_answer": round(tables["rl"]["all"].constant, 4),
        "accuracy": {
            name: {task: round(line.accuracy, 4) for task, line in table.items()}
            for name, table in tables.items()
        },
        "gain_points": round(100 * gain.value, 2),
        "gain_95_percent_interval": [round(100 * gain.low, 2), round(100 * gain.high, 2)],
        "stage_seconds": {name: round(one.seconds, 1) for name, one in made.items()},
        "peak_memory_mib": max(one.peak_memory_mib for one in made.values()),
        "wall_seconds": wall,
    }


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return next(
        (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine()
    )


def _cpus() -> set[int]:
    import os

    return os.sched_getaffinity(0)


if __name__ == "__main__":
    main()
