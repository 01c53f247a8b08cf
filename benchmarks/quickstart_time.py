"""What does one process that imports once spare a run? The quickstart in turn, its stages forked and each started anew.

    python benchmarks/quickstart_time.py [ROUNDS]

Wall seconds of the command, of each stage as its manifest has them, and what is left: starts, imports, the report. Every run has
the same seed, and its last weights are compared. The result is benchmarks/results/quickstart_time.json.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from circumstances import told as circumstances

from lingshu_train.runs import manifest

RESULT = Path(__file__).parent / "results" / "quickstart_time.json"
WAYS = {"forked": {}, "each started anew": {"LINGSHU_COLD": "1"}}
WITHOUT = ("OMP_NUM_THREADS", "LINGSHU_COLD")


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 2
    here = circumstances("torch", "transformers", "trl")
    found: dict[str, list[dict[str, Any]]] = {way: [] for way in WAYS}
    for _ in range(rounds):
        for way, told in WAYS.items():
            found[way].append(once(told))
            print(way, found[way][-1]["seconds"], flush=True)
    weights = {one.pop("weights") for runs in found.values() for one in runs}
    medians = {way: statistics.median(one["seconds"] for one in runs) for way, runs in found.items()}
    data = {
        "what": "wall seconds of `lingshu run quickstart`, in turn",
        **here,
        "weights_equal": len(weights) == 1,
        "median_seconds": medians,
        "ratio": round(medians["forked"] / medians["each started anew"], 3),
        "runs": found,
    }
    RESULT.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    print(f"{RESULT}: {medians}")


def once(told: dict[str, str]) -> dict[str, Any]:
    """One run in a folder that is taken away."""
    environment = {name: value for name, value in os.environ.items() if name not in WITHOUT} | told
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "run"
        words = [sys.executable, "-m", "lingshu_train", "run", "quickstart", f"output={output}"]
        started = time.monotonic()
        subprocess.run(words, env=environment, check=True, capture_output=True)
        seconds = time.monotonic() - started
        stages = {
            path.parent.name.rpartition("-")[0]: manifest.read(path.parent)
            for path in output.glob("*/manifest.json")
        }
        trained = {name: round(one.seconds, 1) for name, one in stages.items()}
        digest = next(iter(output.glob("rl-*/model/model.safetensors")))
        return {
            "seconds": round(seconds, 1),
            "stages": trained,
            "rest": round(seconds - sum(trained.values()), 1),
            "weights": manifest.file_digest(digest),
        }


if __name__ == "__main__":
    main()
