"""A family of the user's own goes through the whole pipeline as ours does: planned, built, trained, asked, exported."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import families
import numpy as np
import pytest
import torch
import yaml
from families import Kit, carry_out
from transformers import AutoModelForImageTextToText

from lingshu_train.data.corpus import lengths
from lingshu_train.runs import ledger

ROOT = Path(__file__).parents[2]
OURS = sorted(name for name in families.MODELS if name != "toy_internvl")
PARTS = {"vision_tower": 1e-2, "merger": 1e-2, "language_model": 1e-2}


def sft(**changes: object) -> dict[str, object]:
    return {
        "kind": "sft",
        "base": "base",
        "data": [{"corpus": "data"}],
        "train": list(PARTS),
        "learning_rate": PARTS,
        "steps": 3,
        "per_device_batch": 4,
        "max_length": 512,
        "save_every": 3,
        **changes,
    }


@pytest.mark.slow
def test_pictures_and_text_are_trained_on_alike_padded_and_packed(kit: Kit) -> None:
    losses = {}
    for name, layout in (("padded", "padded"), ("packed", "packs")):
        # All rows in one batch, and in one pack.
        config = sft(steps=1, layout=layout, per_device_batch=1 if layout == "packs" else 32, max_length=4096)
        stage = kit.stage(name, config, "data", "base")
        told = carry_out(stage)
        assert told["trained_parts"] == sorted(PARTS)
        assert told["left_out_as_too_long"] == {"data": 0}
        losses[name] = ledger.steps(stage.path)[0]["loss"]
    assert losses["packed"] == pytest.approx(losses["padded"], rel=1e-4)


@pytest.mark.slow
def test_what_was_trained_is_asked_exported_and_loaded_by_everyone(kit: Kit) -> None:
    trained = kit.stage("trained", sft(), "data", "base")
    carry_out(trained)
    ask = {
        "kind": "evaluate",
        "corpus": "data",
        "models": ["trained"],
        "max_completion": 8,
        "per_device_batch": 4,
    }
    assert carry_out(kit.stage("asked", ask, "data", "trained"))["samples"] == 8
    export = kit.stage("exported", {"kind": "export", "model": "trained"}, "trained")
    assert carry_out(export)["largest_logit_difference"] == 0.0
    everyone = AutoModelForImageTextToText.from_pretrained(export.path / "export", dtype=torch.float32)
    assert type(everyone) is kit.family.architecture


@pytest.mark.slow
def test_lengths_are_counted_in_processes_that_never_heard_of_the_family(
    plugins: None, tmp_path: Path
) -> None:
    """Of a folder of the user's own; those of ours they find as any process does."""
    kit = families.make("toy_internvl", tmp_path)
    given = kit.root / "data" / "corpus", str(kit.source), kit.settings, range(1)
    (here,), (there,) = (list(lengths._parts(*given, workers=workers)) for workers in (1, 2))
    assert here.shape == (40, 5)
    assert np.array_equal(here, there)


def lingshu(*arguments: str, plugins: Path | str) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "LINGSHU_PLUGINS": str(plugins),
        "PYTHONPATH": str(ROOT),
    }
    command = [sys.executable, "-m", "lingshu_train", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """A recipe of the toy family: questions that a data card answers, one supervised and one GRPO stage."""
    text = f"""
defaults: [{{cluster: local}}, _self_]
name: toy
title: A family of one's own
seed: 0
output: {tmp_path / "run"}
data_root: data
pipeline: [data, base, instruct, rl, evaluate, export]
stages:
  data:
    kind: prepare
    cards: [package_pydicom, package_nilearn]
    questions: {{modality: {{train: 12, held_out: 4}}}}
  base: {{kind: build, corpus: data}}
  evaluate: {{kind: evaluate, models: [instruct, rl], corpus: data, max_completion: 4, per_device_batch: 4}}
  export: {{kind: export, model: rl}}
"""
    document = yaml.safe_load(text)
    document["model"] = families.TOY
    document["stages"]["instruct"] = sft()
    document["stages"]["rl"] = {
        "kind": "grpo",
        "base": "instruct",
        "data": [{"corpus": "data"}],
        "train": list(PARTS),
        "learning_rate": PARTS,
        "rewards": {"mode": "sum", "terms": [{"name": "format"}]},
        "steps": 2,
        "group_size": 2,
        "rollout_prompts": 4,
        "update_prompts": 4,
        "per_device_batch": 4,
        "max_completion": 4,
        "save_every": 2,
    }
    path = tmp_path / "toy.yaml"
    path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    return path


@pytest.mark.slow
def test_a_family_of_ones_own_is_planned_run_and_reported(recipe: Path, tmp_path: Path) -> None:
    planned = lingshu("plan", str(recipe), plugins=families.PLUGINS)
    assert planned.returncode == 0, planned.stderr
    assert "vision_tower 36.45 K, merger 5.44 K, language_model" in planned.stdout
    done = lingshu("run", str(recipe), plugins=families.PLUGINS)
    assert done.returncode == 0, done.stderr[-3000:]
    card = next((tmp_path / "run").glob("export-*/export/README.md")).read_text(encoding="utf-8")
    assert "A toy: nobody runs it outside the tests." in card


def test_without_the_plugin_the_family_is_unknown_and_the_known_ones_are_listed(recipe: Path) -> None:
    done = lingshu("plan", str(recipe), plugins="")
    assert done.returncode == 78
    assert (
        done.stderr
        == f"lingshu: model.family: unknown family 'toy_internvl'; families/ has: {', '.join(OURS)}\n"
    )
