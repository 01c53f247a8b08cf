"""A whole run that takes seconds, for tests of what starts it: two processes train forty steps, with one checkpoint at the end."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[2]
STRAIGHT = "straight"
OTHERS = ("modality", "body_part", "plane", "lesion_present", "lesion_size", "lesion_shade", "bright_share")
"""The quickstart's questions beside captions and counts: 8,000 rows that a short run of it need not prepare or be asked."""
RECIPE = """
defaults: [model: tiny, cluster: local, stage/sft@stages.instruct, _self_]
name: small
title: Two processes for seconds
seed: 0
output: runs/small
data_root: data
pipeline: [data, base, instruct]
trackers: []
cluster: {device: cpu, deepspeed: zero2, processes: 2}
stages:
  data:
    kind: prepare
    cards: [package_mahotas, package_pydicom_data]
    image_size: 56
    questions: {caption: {train: 32, held_out: 4}, lesion_count: {train: 64, held_out: 8}}
  base: {kind: build, corpus: data}
  instruct:
    base: base
    data: [{corpus: data, tasks: [lesion_count]}]
    train: [vision_tower, merger, language_model]
    learning_rate: {vision_tower: 2.0e-3, merger: 2.0e-3, language_model: 2.0e-3}
    steps: 40
    per_device_batch: 8
    warmup_steps: 5
    max_length: 256
    save_every: 1000
    watch: null
"""


def environment() -> dict[str, str]:
    """Of a process that starts one: nothing of a launcher that this process may run under."""
    told = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return {name: value for name, value in told.items() if not name.startswith(("SLURM_", "OMPI_", "PMI"))}


def write(folder: Path) -> Path:
    """The recipe's file."""
    path = folder / "small.yaml"
    path.write_text(RECIPE, encoding="utf-8")
    return path


def straight(folder: Path) -> None:
    """Make the run under `lingshu run`, undisturbed."""
    folder.mkdir()
    run = folder / STRAIGHT
    words = [sys.executable, "-m", "lingshu_train", "run", str(write(folder)), f"output={run}"]
    done = subprocess.run(words, env=environment(), capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr


def begun(run: Path, folder: Path) -> Path:
    """A copy of it in which all is done but the stage that two processes train."""
    shutil.copytree(run, folder, ignore=shutil.ignore_patterns("instruct-*"))
    return folder


def steps(run: Path) -> int:
    return sum(path.read_bytes().count(b"\n") for path in run.glob("instruct-*/ledger.jsonl"))


def weights(run: Path) -> str:
    """The digest of what the run trained."""
    (path,) = run.glob("instruct-*/model/model.safetensors")
    return hashlib.sha256(path.read_bytes()).hexdigest()


def wait(happened: Callable[[], bool], said: Callable[[], str], *, seconds: float = 400) -> None:
    """Until it has happened. `said`: what to show where it does not."""
    until = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < until, said()
        time.sleep(0.2)
