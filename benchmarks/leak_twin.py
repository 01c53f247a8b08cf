"""Two trainings that differ in leaked questions alone: does the score's clean tier stay while the whole score rises?

    python benchmarks/leak_twin.py --work FOLDER [--seeds 5]

Rows are the quickstart's: lesions drawn into pictures of installed packages. Both training sets hold 400 sound questions of four
tasks. The contaminated one also holds 40 of the benchmark's 200 questions, each eight times, as files and as JPEG of quality 75 to
95; its twin as many rows of other questions of the same tasks, each as often and stored in the same ways. Same seed, same steps, same
number of rows. Tiers are what an evaluation of the contaminated model finds by itself; both models are scored on them.

Each training is kept in FOLDER; the same command goes on. The result is benchmarks/results/leak_twin.json.
"""

from __future__ import annotations

import argparse
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import mattering
import numpy as np
from mattering import HERE, TASKS, Row
from planted_for_training import ASKED, LEAKED, QUALITIES, QUESTIONS, jpeg

import circumstances  # isort: skip

from lingshu_train.data.corpus import corpus
from lingshu_train.evaluation import leaked
from lingshu_train.evaluation.benchmarks import tiers

RESULT = HERE / "results" / "leak_twin.json"
ARMS = ("twin", "contaminated")
MEASURES = ("benchmark", "tier clean", "tier leaked", "held out")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=5)
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    lines = given.work / "twins.jsonl"
    base = mattering.quickstart(given.work / "quickstart")
    for seed in range(given.seeds):
        if all(line["seed"] != seed for line in mattering.kept(lines)):
            root = given.work / f"twins-{seed}"
            shutil.rmtree(root, ignore_errors=True)
            for line in one_seed(base, root, seed):
                mattering.keep(lines, line)
            shutil.rmtree(root)
    found = mattering.kept(lines)
    told = {
        **circumstances.told("torch", "transformers", "numpy", "pillow"),
        "steps_of_training": mattering.STEPS,
        "batch": mattering.BATCH,
        **mattering.compared(found, ARMS, MEASURES),
        "trainings": found,
    }
    RESULT.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    print(json.dumps({key: value for key, value in told.items() if key != "trainings"}, indent=1))


def one_seed(base: corpus.Corpus, root: Path, seed: int) -> list[dict[str, Any]]:
    """Both models of a seed, scored on the tiers of the contaminated one."""
    draw = np.random.default_rng(seed)
    where = mattering.numbers(base)
    held = [mattering.row(base, n) for task in TASKS for n in where["held_out", task]]
    held = [held[n] for n in draw.permutation(len(held))]
    benchmark, other = held[:ASKED], held[ASKED : 2 * ASKED]
    count = round(LEAKED * ASKED)
    pools = [
        [
            mattering.row(base, n)
            for n in draw.permutation(where["train", task])[: QUESTIONS + count // len(TASKS)]
        ]
        for task in TASKS
    ]
    sound = [one for pool in pools for one in pool[:QUESTIONS]]
    fillers = [one for pool in pools for one in pool[QUESTIONS:]]
    order = draw.permutation(len(sound) + count * len(QUALITIES))
    beside = {"twin": fillers, "contaminated": benchmark[:count]}
    sets: dict[str, list[Row]] = {}
    for arm, rows in beside.items():
        every = [*sound, *(again(one, n, quality) for one in rows for n, quality in enumerate(QUALITIES))]
        sets[arm] = [every[n] for n in order]
    asked = mattering.prepared(root, "asked", [*benchmark, *other])
    exam = corpus.load(asked / "corpus")
    names = {sample.id for sample, _ in benchmark}
    samples = [one for one in map(exam.sample, range(len(exam))) if one.id in names]
    right, behind = {}, None
    for arm in ARMS:
        model = mattering.trained(
            root, f"{arm}-model", {arm: mattering.prepared(root, arm, sets[arm])}, seed=seed
        )
        right[arm] = mattering.answered(root, model, asked)
        if arm == "contaminated":
            behind = tiers.behind(list(leaked.corpora(model)), samples, exam.image)
    assert behind is not None
    parts = {
        "benchmark": sorted(names),
        "tier clean": [one for one in sorted(names) if behind.tier[one] == "clean"],
        "tier leaked": [one for one in sorted(names) if behind.tier[one] != "clean"],
        "held out": [sample.id for sample, _ in other],
    }
    planted = {sample.id for sample, _ in benchmark[:count]}
    return [
        {
            "arm": arm,
            "seed": seed,
            **{part: mattering.percent([right[arm][one] for one in ids]) for part, ids in parts.items()},
            "questions": {part: len(ids) for part, ids in parts.items()},
            "leaked and found": len(planted & set(parts["tier leaked"])),
        }
        for arm in ARMS
    ]


def again(one: Row, time: int, quality: int) -> Row:
    """The row once more, in a set that knows nothing of the first."""
    sample, pictures = one
    name = f"again {sample.id} {time}"
    made = replace(sample, id=name, group=f"of another set {name}", split="train")
    return made, tuple(jpeg(each, quality) for each in pictures) if quality else pictures


if __name__ == "__main__":
    main()
