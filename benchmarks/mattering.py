"""Short trainings of the quickstart's tiny model on corpora that a script has drawn: what `curation_matters.py` and
`synthesis_matters.py` share. Each training is kept in a file of lines, so that a script goes on where it was ended."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "tests" / "support"), str(HERE)]
os.environ.setdefault("OMP_NUM_THREADS", "1")

import tiny  # noqa: E402
import yaml  # noqa: E402
from PIL import Image  # noqa: E402

from lingshu_train.data.corpus import corpus  # noqa: E402
from lingshu_train.kind import Facts  # noqa: E402
from lingshu_train.record import Sample  # noqa: E402
from lingshu_train.runs import results  # noqa: E402
from lingshu_train.runs.stage import Stage  # noqa: E402

MODEL = yaml.safe_load((HERE.parent / "recipes" / "model" / "tiny.yaml").read_text(encoding="utf-8"))
PARTS = ("vision_tower", "merger", "language_model")
STEPS, BATCH = 100, 32
TASKS = ("lesion_present", "lesion_count", "lesion_size", "lesion_shade")
_T = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776, 6: 2.571, 8: 2.365, 10: 2.262}
"""Number of seeds -> the 97.5 % point of Student's t with one degree of freedom less."""
Row = tuple[Sample, tuple[Image.Image, ...]]


def quickstart(folder: Path) -> corpus.Corpus:
    """The rows that the recipe `quickstart` prepares, once."""
    found = sorted(folder.glob("data-*"))
    if not found:
        import subprocess

        words = ["run", "quickstart", "pipeline=[data]", f"output={folder}"]
        subprocess.run([sys.executable, "-m", "lingshu_train", *words], check=True, stdout=subprocess.DEVNULL)
        found = sorted(folder.glob("data-*"))
    return corpus.load(found[0] / "corpus")


def row(base: corpus.Corpus, number: int) -> Row:
    """A row without its reasoning: answers alone are learned in a third of the time."""
    return replace(base.sample(number), reasoning=""), base.pictures(number)


def numbers(base: corpus.Corpus) -> dict[tuple[str, str], list[int]]:
    """Of each split and task the numbers of its rows."""
    found: dict[tuple[str, str], list[int]] = {}
    for number in range(len(base)):
        sample = base.sample(number)
        found.setdefault((sample.split, sample.task), []).append(number)
    return found


def prepared(root: Path, name: str, rows: Sequence[Row]) -> Path:
    """These rows as a finished stage."""
    tiny.write_corpus(root / name / "corpus", rows)
    config = {"kind": "prepare", "cards": ["package_pydicom"], "image_size": 56, "questions": {}}
    tiny.finish(tiny.make_stage(root, name, config, parents={}, model=MODEL), outputs=["corpus"])
    return root / name


def done(
    root: Path,
    name: str,
    config: dict[str, Any],
    *,
    parents: Mapping[str, Path],
    outputs: Sequence[str],
    seed: int = 0,
) -> tuple[Stage, Facts]:
    """A stage, in this process."""
    made = tiny.make_stage(root, name, config, parents=dict(parents), model=MODEL)
    stage = made.model_copy(update={"seed": seed})
    facts = tiny.run_here(stage)
    tiny.finish(stage, outputs=list(outputs))
    return stage, facts


def trained(root: Path, name: str, corpora: Mapping[str, Path], *, seed: int) -> Stage:
    """A model from nothing, after STEPS steps on these corpora, mixed by their rows."""
    first = next(iter(corpora))
    done(
        root,
        f"{name}-base",
        {"kind": "build", "corpus": first},
        parents={first: corpora[first]},
        outputs=["model"],
        seed=seed,
    )
    config = {
        "kind": "sft",
        "base": "base",
        "data": [{"corpus": one, "tasks": []} for one in corpora],
        "train": list(PARTS),
        "learning_rate": dict.fromkeys(PARTS, 2e-3),
        "steps": STEPS,
        "per_device_batch": BATCH,
        "warmup_steps": 10,
        "schedule": "constant_with_warmup",
        "max_length": 256,
        "save_every": STEPS,
    }
    stage, _ = done(
        root,
        name,
        config,
        parents={"base": root / f"{name}-base", **corpora},
        outputs=["model"],
        seed=seed,
    )
    for path in stage.path.glob("checkpoints"):
        shutil.rmtree(path)
    return stage


def answered(root: Path, model: Stage, asked: Path) -> dict[str, bool]:
    """Of every question of the split held_out whether the model is right."""
    config = {
        "kind": "evaluate",
        "models": ["model"],
        "corpus": "asked",
        "tasks": list(TASKS),
        "max_completion": 8,
    }
    stage, _ = done(
        root,
        f"{model.name}-answers",
        config,
        parents={"asked": asked, "model": model.path},
        outputs=["results.json"],
    )
    return {one.id: one.correct for one in results.predictions(stage.path, "model")}


def kept(path: Path) -> list[dict[str, Any]]:
    """What earlier starts have measured."""
    if not path.is_file():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def keep(path: Path, line: dict[str, Any]) -> None:
    with path.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(line) + "\n")
    print(json.dumps(line), flush=True)


def percent(flags: Sequence[bool]) -> float | None:
    """Share of right answers; None where none was asked."""
    return round(100 * fmean(flags), 2) if flags else None


def mean(values: Sequence[float]) -> dict[str, float]:
    """Mean over seeds and its 95 % interval (Student's t)."""
    middle, half = fmean(values), 0.0
    if len(values) > 1:
        half = _T[len(values)] * stdev(values) / len(values) ** 0.5
    return {"mean": round(middle, 2), "low": round(middle - half, 2), "high": round(middle + half, 2)}


def compared(lines: Sequence[dict[str, Any]], arms: Sequence[str], measures: Sequence[str]) -> dict[str, Any]:
    """Means of each arm, and differences to the first arm, paired by seed."""
    by = {(line["arm"], line["seed"]): line for line in lines}
    seeds = sorted({seed for _, seed in by if all((arm, seed) in by for arm in arms)})
    if not seeds:
        return {"seeds": [], "note": "no seed has all of these trainings yet"}
    told: dict[str, Any] = {"seeds": seeds, "accuracy_percent": {}, f"points_over_{arms[0]}": {}}
    for arm in arms:
        values = {one: [float(by[arm, seed][one]) for seed in seeds] for one in measures}
        told["accuracy_percent"][arm] = {one: mean(found) for one, found in values.items()}
        if arm != arms[0]:
            told[f"points_over_{arms[0]}"][arm] = {
                one: mean(
                    [value - float(by[arms[0], seed][one]) for value, seed in zip(found, seeds, strict=True)]
                )
                for one, found in values.items()
            }
    return told
