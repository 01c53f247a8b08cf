"""Whether curation matters: a training set with planted faults, trained on as it is, after curation, and without the faults.

    python benchmarks/curation_matters.py --work FOLDER [--seeds 5]

Rows are the quickstart's: lesions drawn into pictures of installed packages. Of each seed: 400 questions and 100 captions that
are sound, and among them copies, leaked questions of the benchmark, wrong labels and junk captions (`planted_for_training.py`).
Three trainings of the same number of steps, from nothing. A fifth of the benchmark's 200 questions is leaked, each eight times; 200
other questions are held out. What is found is counted by kind; scores are given for the whole benchmark, for its
tiers as an evaluation tells them, and for the questions that were held out.

Each training is kept in FOLDER; the same command goes on. The result is benchmarks/results/curation_matters.json.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import mattering
import yaml
from mattering import HERE, Row
from planted_for_training import KINDS, Drawn, drawn

import circumstances  # isort: skip
import pyarrow.parquet as pq  # isort: skip

from lingshu_train.data.corpus import corpus
from lingshu_train.evaluation import leaked
from lingshu_train.evaluation.benchmarks import tiers
from lingshu_train.runs.stage import Stage

RESULT = HERE / "results" / "curation_matters.json"
ARMS = ("as it is", "curated", "without faults")
RIGHT_STEPS = {
    "exact copy": {"exact_duplicates", "near_pictures"},
    "copy as JPEG": {"near_pictures"},
    "leaked picture": {"decontamination"},
    "leaked picture as JPEG": {"decontamination", "near_pictures"},
    "wrong label beside the right one": {"contradictions"},
    "wrong label beside the right one, as JPEG": {"contradictions"},
    "wrong label alone": set(),
    "caption of two words": {"caption_length"},
    "caption in German": {"language", "near_text"},
    "caption of another picture": set(),
}
MEASURES = ("benchmark", "benchmark, leaked", "benchmark, not leaked", "tier clean", "held out")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--write", action="store_true", help="write the result of what is there")
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    lines, found = given.work / "curation.jsonl", given.work / "found.jsonl"
    base = mattering.quickstart(given.work / "quickstart")
    # The two that are compared first, for every seed.
    for arms in (ARMS[:2], ARMS[2:]):
        for seed in range(given.seeds):
            here = {(line["arm"], line["seed"]) for line in mattering.kept(lines)}
            left = [arm for arm in arms if (arm, seed) not in here]
            if left and not given.write:
                one_seed(base, given.work / f"seed-{seed}", seed, lines=lines, found=found, arms=left)
    write(mattering.kept(lines), mattering.kept(found))


def one_seed(
    base: corpus.Corpus,
    root: Path,
    seed: int,
    *,
    lines: Path,
    found: Path,
    arms: list[str],
) -> None:
    """What is not there yet of a seed."""
    shutil.rmtree(root, ignore_errors=True)
    made = drawn(base, seed)
    corpora = written(root, made)
    if "curated" in arms:
        curated = cleaned(root, corpora)
        corpora["curated"] = curated.path
        if all(line["seed"] != seed for line in mattering.kept(found)):
            mattering.keep(found, {"seed": seed, **counted(made, curated)})
    for arm in arms:
        mattering.keep(lines, {"arm": arm, "seed": seed, **measured(root, arm, corpora, made, seed)})
    shutil.rmtree(root)


def written(root: Path, made: Drawn) -> dict[str, Path]:
    """The training set with and without faults, the benchmark, and all questions that are asked."""
    sound = [one.row for one in made.rows if not one.kind]
    parts: dict[str, list[Row]] = {
        "as it is": [one.row for one in made.rows],
        "without faults": sound,
        "benchmark": made.benchmark,
        "asked": [*made.benchmark, *made.held_out],
    }
    return {name: mattering.prepared(root, name.replace(" ", "_"), rows) for name, rows in parts.items()}


def cleaned(root: Path, corpora: dict[str, Path]) -> Stage:
    """By the profile `recommended`, which points contradictions and languages out; here these rows go too."""
    text = (HERE.parent / "recipes" / "curate" / "recommended.yaml").read_text(encoding="utf-8")
    steps = yaml.safe_load(text)["steps"]
    for step in steps:
        if step["name"] in ("contradictions", "language"):
            step.setdefault("params", {})["action"] = "drop"
    config = {
        "kind": "curate",
        "corpus": "raw",
        "steps": steps,
        "benchmarks": ["benchmark"],
        "most_withdrawn": 0.9,
    }
    parents = {"raw": corpora["as it is"], "benchmark": corpora["benchmark"]}
    stage, _ = mattering.done(
        root, "curated", config, parents=parents, outputs=["corpus", "decisions.parquet"]
    )
    return stage


def counted(made: Drawn, curated: Stage) -> dict[str, Any]:
    """Of each kind the rows, and those that went; of each step the decisions to drop, and those of planted rows."""
    kinds = {one.row[0].id: one.kind for one in made.rows}
    table = pq.read_table(curated.path / "decisions.parquet").to_pylist()
    gone = {line["sample"]: line["step"] for line in table if line["action"] == "drop"}
    totals = Counter(kinds.values())
    went = Counter(kinds[name] for name in gone)
    steps: dict[str, dict[str, int]] = {}
    for name, step in gone.items():
        line = steps.setdefault(step, {"dropped": 0, "planted": 0, "planted, of its kind": 0})
        line["dropped"] += 1
        line["planted"] += bool(kinds[name])
        line["planted, of its kind"] += step in RIGHT_STEPS.get(kinds[name], ())
    return {
        "rows": len(kinds),
        "kinds": {kind or "sound": [went[kind], totals[kind]] for kind in ("", *KINDS)},
        "steps": steps,
    }


def measured(root: Path, arm: str, corpora: dict[str, Path], made: Drawn, seed: int) -> dict[str, Any]:
    """A training and its scores."""
    name = arm.replace(" ", "_") + "-model"
    model = mattering.trained(root, name, {arm.replace(" ", "_"): corpora[arm]}, seed=seed)
    right = mattering.answered(root, model, corpora["asked"])
    asked = corpus.load(corpora["asked"] / "corpus")
    names = [sample.id for sample, _ in made.benchmark]
    # As the corpus has them: its pictures have names of their own.
    samples = [sample for sample in map(asked.sample, range(len(asked))) if sample.id in set(names)]
    behind = tiers.behind(list(leaked.corpora(model)), samples, asked.image)
    parts = {
        "benchmark": names,
        "benchmark, leaked": [one for one in names if one in made.leaked],
        "benchmark, not leaked": [one for one in names if one not in made.leaked],
        "held out": [sample.id for sample, _ in made.held_out],
        **{f"tier {tier}": [one for one in names if behind.tier[one] == tier] for tier in tiers.TIERS},
    }
    told = {part: mattering.percent([right[one] for one in ids]) for part, ids in parts.items()}
    return {**told, "questions": {part: len(ids) for part, ids in parts.items()}}


def write(lines: list[dict[str, Any]], found: list[dict[str, Any]]) -> None:
    rows = sum(line["rows"] for line in found)
    kinds = {
        kind: {
            "rows": (total := sum(line["kinds"][kind][1] for line in found)),
            "share_of_all": round(total / rows, 3),
            "dropped": (went := sum(line["kinds"][kind][0] for line in found)),
            "share_dropped": round(went / total, 3),
        }
        for kind in ("sound", *KINDS)
    }
    steps: dict[str, Counter[str]] = {}
    for line in found:
        for step, counts in line["steps"].items():
            steps.setdefault(step, Counter()).update(counts)
    told = {
        **circumstances.told("torch", "transformers", "numpy", "pillow"),
        "steps_of_training": mattering.STEPS,
        "batch": mattering.BATCH,
        "rows_over_all_seeds": rows,
        "found": kinds,
        "by_step": {
            name: {**counts, "precision": round(counts["planted"] / counts["dropped"], 3)}
            for name, counts in sorted(steps.items())
        },
        **mattering.compared(lines, ARMS[:2], MEASURES),
        "with_all_three": mattering.compared(lines, ARMS, MEASURES),
        "trainings": lines,
    }
    RESULT.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    print(json.dumps({key: value for key, value in told.items() if key != "trainings"}, indent=1))


if __name__ == "__main__":
    main()
