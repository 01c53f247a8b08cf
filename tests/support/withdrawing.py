"""A run by a recipe of its own whose every kind of training comes to drawn patients: to be forgotten, and to be run without them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import yaml
from PIL import Image

from lingshu_train import cli
from lingshu_train.forgetting import certificate
from lingshu_train.model import shape
from lingshu_train.record import Sample
from lingshu_train.running import faults, launch, reporting, worker
from lingshu_train.running.faults import StageFailed
from lingshu_train.runs import run as runs
from lingshu_train.runs.stage import Stage

PARTS = {"train": tiny.ALL_PARTS, "learning_rate": dict.fromkeys(tiny.ALL_PARTS, 5e-3)}
SHARED: dict[str, Any] = {**PARTS, "max_length": 512, "kind": "sft"}
STAGES: dict[str, Any] = {
    "words": {"kind": "prepare", "cards": ["package_pydicom"], "prepared": "words"},
    "data": {"kind": "prepare", "cards": ["package_pydicom"], "prepared": "data"},
    "base": {"kind": "build", "corpus": "words"},
    "aside": {
        **SHARED,
        "base": "base",
        "data": [{"corpus": "words"}],
        "steps": 2,
        "per_device_batch": 4,
        "save_every": 2,
    },
    "plain": {
        **SHARED,
        "base": "base",
        "data": [{"corpus": "data"}, {"corpus": "words", "share": 0.25}],
        "steps": 10,
        "per_device_batch": 2,
        "accumulation": 2,
        "save_every": 2,
        "keep": 9,
    },
    "packed": {
        **SHARED,
        "base": "base",
        "data": [{"corpus": "data"}],
        "layout": "packs",
        "max_length": 130,
        "steps": 8,
        "per_device_batch": 1,
        "accumulation": 2,
        "save_every": 2,
        "keep": 9,
    },
    "rl": {
        **PARTS,
        "kind": "grpo",
        "base": "base",
        "data": [{"corpus": "data"}],
        "selection": {"size": 24, "yes_no_share": None, "balance": []},
        "rewards": {
            "mode": "sum",
            "terms": [{"name": "accuracy", "weight": 1.0}, {"name": "format", "weight": 0.5}],
        },
        "steps": 6,
        "group_size": 2,
        "rollout_prompts": 8,
        "update_prompts": 4,
        "per_device_batch": 8,
        "max_completion": 8,
        "save_every": 2,
        "keep": 9,
    },
    "later": {
        **SHARED,
        "base": "plain",
        "data": [{"corpus": "words"}],
        "steps": 2,
        "per_device_batch": 4,
        "save_every": 2,
    },
    "shown": {"kind": "export", "model": "later"},
    "asked": {
        "kind": "evaluate",
        "models": ["later"],
        "corpus": "data",
        "max_completion": 4,
        "per_device_batch": 8,
    },
}
MIDDLE, NEVER, ASKED = "scan-patient-2", "scan-patient-13", "scan-patient-24"
"""Patients whose rows first come in the middle of every stage, in no step of any, and in the evaluation alone."""
PATIENTS = 32
"""Of two rows each; the last eight are held out."""


def drawn(folder: Path, *, patients: int, seed: int, name: str) -> None:
    """A prepared corpus: bright spots on noise, two questions a patient."""
    draw = np.random.default_rng(seed)
    rows = []
    for n in range(patients * 2):
        patient = n // 2
        count = int(draw.integers(0, 4))
        pixels = draw.integers(0, 60, (56, 56), dtype=np.uint8)
        for cell in draw.permutation(4)[:count]:
            y, x = 28 * (cell // 2) + 8, 28 * (cell % 2) + 8
            pixels[y : y + 10, x : x + 10] = 230
        sample = Sample(
            id=f"{name}-{n}",
            card="package_pydicom",
            split="held_out" if patient >= patients - 8 else "train",
            task="count",
            question="How many bright spots?",
            question_type="numeric",
            answer=str(count),
            reasoning=f"{name} {patient}: " + "several spots are seen, and counted " * (n % 3),
            group=f"{name}-patient-{patient}",
            modality="drawn",
        )
        rows.append((sample, (Image.fromarray(pixels),)))
    tiny.write_corpus(folder, rows, control=shape.of(tiny.MODEL["family"]).control)


def recipe(
    root: Path, *, stages: tuple[str, ...] = tuple(STAGES), changes: dict[str, dict[str, Any]] | None = None
) -> Path:
    """The recipe and its corpora below `root`. `changes`: other keys of some stages."""
    drawn(root / "words", patients=16, seed=1, name="word")
    drawn(root / "data", patients=PATIENTS, seed=2, name="scan")
    chosen = {name: {**STAGES[name], **(changes or {}).get(name, {})} for name in stages}
    for block in chosen.values():
        if "prepared" in block:
            block["prepared"] = str(root / block["prepared"])
    made = {
        "name": "withdrawing",
        "title": "drawn patients",
        "seed": 0,
        "output": str(root / "run"),
        "data_root": str(root / "nothing"),
        "model": json.loads(json.dumps(tiny.MODEL)),
        "cluster": {"name": "test", "device": "cpu", "threads": 1},
        "pipeline": list(stages),
        "stages": chosen,
    }
    path = root / "withdrawing.yaml"
    path.write_text(yaml.safe_dump(made, sort_keys=False))
    return path


@contextmanager
def in_this_process() -> Iterator[None]:
    """Stages run here and not in processes of their own, each of which would load its libraries first: the bits are the same."""

    def here(stage: Stage, command: list[str], environment: dict[str, str]) -> None:
        code = worker.main(command[-1])
        if code:
            raise StageFailed(str(faults.reported(stage)), code)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(launch.ranks, "together", here)
        patch.setattr(reporting, "beside", lambda folder, say: nullcontext())
        yield


def run(path: Path, *settings: str) -> None:
    """Carry a recipe out as a person does."""
    with in_this_process():
        assert cli.main(["run", str(path), *settings]) == 0


def forget(folder: Path, *words: str) -> int:
    with in_this_process():
        return cli.main(["forget", str(folder), *words])


def same(one: Path, other: Path) -> dict[str, bool]:
    """Of each stage that both runs have, whether its weights and its ledger are equal to the bit."""
    names = [entry.folder for entry in runs.read(one).stages if (other / entry.folder).is_dir()]
    return {
        name.rpartition("-")[0]: tiny.weights(one / name) == tiny.weights(other / name)
        and tiny.trajectory(one / name) == tiny.trajectory(other / name)
        for name in names
    }


def certified(folder: Path) -> certificate.Certificate:
    path = next(iter(folder.glob(certificate.PATTERN)))
    return certificate.Certificate.model_validate_json(path.read_text())
