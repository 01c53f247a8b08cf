"""A stage that writes its checkpoints beside its steps, by the clock, or clears them away at its end, ends with the same bits."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiny
from layouts import Layout, stage_for

from lingshu_train.running.faults import reported
from lingshu_train.runs import checkpoint, ledger, snapshots
from lingshu_train.runs.stage import Stage

pytestmark = pytest.mark.slow

Straight = Callable[[Layout], Stage]


def changed(stage: Stage, **config: Any) -> Stage:
    return stage.model_copy(update={"config": {**stage.config, **config}})


def assert_ends_as(stage: Stage, other: Stage) -> None:
    assert tiny.weights(stage.path) == tiny.weights(other.path) != {}
    assert tiny.trajectory(stage.path) == tiny.trajectory(other.path)
    assert not snapshots._root(stage.path).exists(), "no memory is kept of a stage that has ended"


def being_written(stage: Stage, step: int) -> bool:
    """Whether a checkpoint is on its way from memory to the disk."""
    held = snapshots._root(stage.path) / f"step-{step:08d}"
    return held.is_dir() and checkpoint.staging(stage.path, step).is_dir()


@pytest.mark.parametrize("layout", [("sft", 1, "none"), ("sft", 2, "zero2")], ids=str)
def test_a_kill_while_a_checkpoint_is_written_beside_the_steps_costs_that_checkpoint_alone(
    layout: Layout, base: Path, straight: Straight, tmp_path: Path
) -> None:
    stage = changed(stage_for(base, tmp_path, layout), save_beside=True, save_every=4)
    tiny.kill_when(tiny.start(stage), lambda: tiny.steps_done(stage) >= 6 and being_written(stage, 8))
    assert not checkpoint.place(stage.path, 8).exists()
    assert [checkpoint.step_of(one) for one in checkpoint.existing(stage.path)] == [4]
    assert tiny.run(stage) == 0, (stage.path / "log.txt").read_text()
    assert_ends_as(stage, straight(layout))
    results = json.loads((stage.path / "manifest.json").read_text())["results"]
    assert results["resumed_at"] == 4
    last = checkpoint.existing(stage.path)[-1]
    assert checkpoint.step_of(last) == 12, "the last step is always saved"
    assert checkpoint.problem(last, content=stage.content) is None


def test_a_stage_told_to_stop_waits_for_what_is_written_beside_it(
    base: Path, straight: Straight, tmp_path: Path
) -> None:
    layout: Layout = ("sft", 1, "none")
    stage = changed(
        stage_for(base, tmp_path, layout), save_beside=True, save_every=None, save_every_minutes=60
    )
    process = tiny.start(stage)
    while tiny.steps_done(stage) < 2:
        assert process.poll() is None
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGTERM)
    assert process.wait(timeout=300) == 75
    fault = reported(stage)
    assert fault is not None
    assert "checkpoint written" in str(fault)
    [only] = checkpoint.existing(stage.path)
    assert checkpoint.problem(only, content=stage.content) is None
    # By the clock now, and nothing kept at the end.
    again = changed(stage, save_every_minutes=1e-6, save_beside=False, keep_finished=0)
    assert tiny.run(again) == 0, (stage.path / "log.txt").read_text()
    assert_ends_as(again, straight(layout))
    assert checkpoint.existing(stage.path) == []
    saved = [line["step"] for line in ledger.steps(stage.path) if line.get("saved")]
    assert saved[-1] == 12
    assert set(range(checkpoint.step_of(only) + 1, 13)) <= set(saved), "each step was due"
