"""bfloat16 and recomputed activations under every level of ZeRO: the same bits however a run went, and no weight too many."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import tiny
import torch
from safetensors.torch import load_file, save_file

from lingshu_train.runs.stage import Stage

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        "LINGSHU_LONG" not in os.environ, reason="not yet run to its end; LINGSHU_LONG=1 runs it"
    ),
]

LOW = 2e-2
"""Relative, of losses: a bfloat16 has eight bits, and on one process the weights are not rounded between steps."""


def stage(base: Path, root: Path, *, deepspeed: str, again: bool, world: int = 2) -> Stage:
    """Four steps, of which two are behind the first checkpoint."""
    config = tiny.sft(steps=4, save_every=2, per_device_batch=4 // world, layout="end_to_end")
    model = {**tiny.MODEL, "dtype": "bfloat16", "gradient_checkpointing": again}
    parents = {"data": base / "data", "base": base / "base"}
    return tiny.make_stage(
        root, f"low-{deepspeed}", config, parents=parents, model=model, deepspeed=deepspeed, world_size=world
    )


def done(made: Stage) -> Stage:
    assert tiny.run(made) == 0, (made.path / "log.txt").read_text()[-3000:]
    return made


def column(made: Stage, name: str) -> list[Any]:
    return [line[name] for line in tiny.trajectory(made.path)]


@pytest.fixture(scope="module")
def undivided(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Stage:
    return done(stage(base, tmp_path_factory.mktemp("low"), deepspeed="none", again=False, world=1))


@pytest.mark.parametrize("deepspeed", ["zero1", "zero2", "zero3"])
def test_a_run_that_recomputes_ends_with_the_bits_of_one_that_was_killed_and_keeps(
    deepspeed: str, base: Path, undivided: Stage, tmp_path: Path
) -> None:
    recomputed = done(stage(base, tmp_path / "straight", deepspeed=deepspeed, again=True))
    kept = stage(base, tmp_path / "killed", deepspeed=deepspeed, again=False)
    tiny.kill_when(tiny.start(kept), lambda: tiny.steps_done(kept) >= 3)
    done(kept)
    assert tiny.weights(recomputed.path) == tiny.weights(kept.path) != {}
    assert tiny.trajectory(recomputed.path) == tiny.trajectory(kept.path)
    assert column(kept, "samples") == column(undivided, "samples")
    assert column(kept, "loss") == pytest.approx(column(undivided, "loss"), rel=LOW)


def test_a_weight_too_many_is_refused_where_weights_are_divided(base: Path, tmp_path: Path) -> None:
    strange = Path(shutil.copytree(base / "base", tmp_path / "base"))
    path = strange / "model" / "model.safetensors"
    save_file({**load_file(path), "model.stranger.weight": torch.zeros(3)}, path, metadata={"format": "pt"})
    made = stage(base, tmp_path, deepspeed="zero3", again=False)
    made = made.model_copy(update={"parents": {**made.parents, "base": str(strange)}})
    assert tiny.run(made) == 65
    assert "unexpected_keys': ['model.stranger.weight']" in (made.path / "log.txt").read_text()
