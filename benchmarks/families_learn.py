"""Does every family learn? Runs the quickstart with each family's tiny model, and sets them side by side on the same questions.

    python benchmarks/families_learn.py 0 1                        these seeds with every family, one run after the other
    python benchmarks/families_learn.py 0 --families internvl3     one family alone

Runs lie below runs/families/; a stage that is done is not run again. The result, benchmarks/results/families_learn.json, is written
after each run: a run takes the place of an earlier one of the same family and seed, and all others stay.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import circumstances
import quickstart_seeds

from lingshu_train.metrics._intervals import paired_difference
from lingshu_train.runs import results, run

RESULT = Path(__file__).parent / "results" / "families_learn.json"
MODELS = {
    "qwen2_5_vl": "tiny",
    "qwen3_vl": "tiny_qwen3_vl",
    "internvl3": "tiny_internvl3",
    "gemma3": "tiny_gemma3",
}
FIRST = "qwen2_5_vl"
"""What the others are set beside."""
PACKAGES = ("torch", "transformers", "trl", "numpy", "pillow")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("seeds", nargs="+", type=int)
    parser.add_argument("--families", nargs="+", choices=list(MODELS), default=list(MODELS))
    parser.add_argument("--runs", type=Path, default=Path("runs/families"))
    parser.add_argument("--out", type=Path, default=RESULT)
    parser.add_argument("--note", default="", help="what a reader must know of these runs")
    given = parser.parse_args()
    found = json.loads(given.out.read_text(encoding="utf-8"))["runs"] if given.out.is_file() else []
    for seed in given.seeds:
        for family in given.families:
            kept = [one for one in found if (one["family"], one["seed"]) != (family, seed)]
            found = [*kept, learned(family, seed, given.runs, note=given.note)]
            write(given.out, found, given.runs)


def learned(family: str, seed: int, runs: Path, *, note: str) -> dict[str, Any]:
    """Run the quickstart; its accuracies by task, the best constant answer, and what GRPO added."""
    told = circumstances.told(*PACKAGES)
    folder = place(runs, family, seed)
    words = ["run", "quickstart", f"model={MODELS[family]}", f"seed={seed}", f"output={folder}"]
    subprocess.run([sys.executable, "-m", "lingshu_train", *words], check=True)
    one = quickstart_seeds.record(folder, None)
    del one["wall_seconds"]
    return {"family": family, **one, **told, "note": note}


def place(runs: Path, family: str, seed: int) -> Path:
    return runs / f"{family}-{seed}"


def write(path: Path, found: list[dict[str, Any]], runs: Path) -> None:
    """All runs, what each family has on average, and how far each is from the first family where both lie on this machine."""
    found = sorted(found, key=lambda one: (list(MODELS).index(one["family"]), one["seed"]))
    for one in found:
        both = [place(runs, family, one["seed"]) for family in (FIRST, one["family"])]
        if one["family"] != FIRST and all((each / "run.json").is_file() for each in both):
            one["points_beside_the_first"] = beside(*both)
    means = {
        family: {
            "seeds": [one["seed"] for one in found if one["family"] == family],
            **{
                name: round(
                    statistics.mean(one["accuracy"][name]["all"] for one in found if one["family"] == family),
                    4,
                )
                for name in ("deep", "instruct", "rl")
            },
        }
        for family in MODELS
        if any(one["family"] == family for one in found)
    }
    data = {
        "what": "recipe quickstart with each family's tiny model: held-out greedy accuracy before it has seen a question (deep), "
        "after instruction tuning (instruct) and after GRPO (rl)",
        "means": means,
        "runs": found,
    }
    path.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    for family, mean in means.items():
        told = ", ".join(f"{name} {100 * mean[name]:.1f} %" for name in ("deep", "instruct", "rl"))
        print(f"{family}, seeds {mean['seeds']}: {told}")


def beside(first: Path, other: Path) -> dict[str, Any]:
    """Points of accuracy that another family's model has more than the first one's at the end, on the questions of both."""
    right = []
    for folder in (first, other):
        of = run.read(folder)
        lines = results.predictions(of.folder(of.stage("evaluate")), "rl")
        right.append({line.id: line.correct for line in lines})
    ids = sorted(right[0].keys() & right[1].keys())
    apart = paired_difference([right[1][i] for i in ids], [right[0][i] for i in ids])
    return {
        "questions": len(ids),
        "points": round(100 * apart.value, 2),
        "95_percent_interval": [round(100 * apart.low, 2), round(100 * apart.high, 2)],
    }


if __name__ == "__main__":
    main()
