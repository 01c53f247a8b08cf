"""Runs whose stages train on mixtures, in packs, in windows of a selection, and one that was killed and resumed: to be followed."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import tiny

from lingshu_train.data.corpus import corpus
from lingshu_train.runs import run as runs
from lingshu_train.runs.stage import Stage

MIXED: dict[str, Any] = {
    "data": [
        {"corpus": "data", "share": 0.3},
        {"corpus": "short", "repeat": 1.5},
        {"corpus": "data", "cards": ["drawn"], "limit": 9},
    ],
    "max_length": 60,
    "most_too_long": 0.9,
    "layout": "end_to_end",
    "per_device_batch": 2,
    "accumulation": 2,
    "steps": 20,
    "save_every": 5,
}
PACKED: dict[str, Any] = {
    "base": "mixed",
    "layout": "packs",
    "max_length": 130,
    "per_device_batch": 1,
    "accumulation": 2,
    "steps": 20,
    "save_every": 2,
    "keep": 20,
    "data": [{"corpus": "data"}, {"corpus": "short", "limit": 5}],
}
WINDOWS: dict[str, Any] = {
    "base": "mixed",
    "data": [{"corpus": "short"}, {"corpus": "data"}],
    "selection": {"size": 20, "yes_no_share": None, "balance": []},
    "max_prompt": 60,
    "most_too_long": 0.9,
    "group_size": 2,
    "rollout_prompts": 8,
    "update_prompts": 4,
    "per_device_batch": 8,
    "steps": 8,
    "save_every": 4,
    "keep": 1,
}


def build(base: Path, root: Path) -> None:
    """The run in `root`: mixed (killed at its seventh step and resumed), packed and windows, both from mixed's model."""
    runs.write(root, recipe="followed", stages=[], plan="plan")
    for name in ("data", "short", "base"):
        shutil.copytree(base / name, root / name)
    renamed(root)
    parents = {name: root / name for name in ("data", "short", "base")}
    mixed = tiny.make_stage(root, "mixed", tiny.sft(**MIXED), parents=parents)
    tiny.kill_when(tiny.start(mixed), lambda: tiny.steps_done(mixed) >= 7)
    assert tiny.run(mixed) == 0, (mixed.path / "log.txt").read_text()
    further = {name: root / name for name in ("data", "short", "mixed")}
    packed = tiny.make_stage(root, "packed", tiny.sft(**PACKED), parents=further)
    windows = tiny.make_stage(root, "windows", tiny.grpo(**WINDOWS), parents=further)
    for stage in (packed, windows):
        tiny.run_here(stage)
        tiny.finish(stage, outputs=["model", "ledger.jsonl"])
    shown = tiny.make_stage(
        root, "shown", {"kind": "export", "model": "packed"}, parents={"packed": packed.path}
    )
    shown.write()
    made = [stage_of(root, name) for name in ("data", "short", "base")]
    runs.write(root, recipe="followed", stages=[*made, mixed, packed, windows, shown], plan="plan")


def stage_of(root: Path, name: str) -> Stage:
    """A stage that was copied into the run: its record says where it lies now."""
    from lingshu_train.runs import manifest

    place = root / name
    stage = manifest.read(place).stage.model_copy(update={"folder": str(place)})
    stage.write()
    return stage


def ids(root: Path, name: str) -> list[str]:
    """Every sample of a corpus of the run."""
    return [sample.id for sample in corpus.load(root / name / "corpus").samples]


def renamed(root: Path) -> None:
    """Two corpora of the same drawing have the same ids: those of `short` are given others."""
    found = corpus.load(root / "short" / "corpus")
    samples = [
        (dataclasses.replace(found.sample(n), id=f"short-{n}"), found.pictures(n)) for n in range(len(found))
    ]
    shutil.rmtree(root / "short" / "corpus")
    tiny.write_corpus(root / "short" / "corpus", samples)
    tiny.finish(stage_of(root, "short"), outputs=["corpus"])
