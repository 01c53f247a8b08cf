"""A killed and resumed run ends with the bits of an uninterrupted one."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import tiny
from layouts import Layout, stage_for

from lingshu_train.running.faults import reported
from lingshu_train.runs import checkpoint
from lingshu_train.runs.stage import Stage

pytestmark = pytest.mark.slow

LAYOUTS: list[Layout] = [
    (kind, world, deepspeed)
    for kind in ("sft", "grpo")
    for world, deepspeed in ((1, "none"), (2, "none"), (2, "zero2"), (2, "zero3"))
] + [
    *(("packed", 1, "none"), ("packed", 2, "none"), ("end_to_end", 2, "zero2"), ("kl", 2, "zero3")),
    *(("sft", 1, "zero2+optimizer"), ("sft", 2, "zero3+all"), ("8bit", 1, "none"), ("8bit", 2, "none")),
    *(("lora", 1, "none"), ("lora", 2, "zero2"), ("lora", 2, "zero3"), ("lora-kl", 1, "none")),
]
Straight = Callable[[Layout], Stage]


def assert_equal(stage: Stage, other: Stage) -> None:
    assert tiny.weights(stage.path) == tiny.weights(other.path)
    assert tiny.weights(stage.path), "no weights were written"
    assert tiny.trajectory(stage.path) == tiny.trajectory(other.path)


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: "-".join(map(str, layout)))
def test_a_run_killed_in_its_second_epoch_ends_with_the_bits_of_an_uninterrupted_one(
    layout: Layout, base: Path, straight: Straight, tmp_path: Path
) -> None:
    stage = stage_for(base, tmp_path, layout)
    # Step 11 is in the second epoch, beyond the last checkpoint, and for GRPO inside a generation window.
    tiny.kill_when(tiny.start(stage), lambda: tiny.steps_done(stage) >= 11)
    assert not (stage.path / "manifest.json").exists()
    assert tiny.run(stage) == 0, (stage.path / "log.txt").read_text()
    assert_equal(stage, straight(layout))
    resumed_at = json.loads((stage.path / "manifest.json").read_text())["results"]["resumed_at"]
    assert resumed_at == (8 if layout[0] in ("grpo", "kl", "lora-kl") else 9)


@pytest.mark.parametrize("kind", ["sft", "grpo"])
def test_a_run_killed_twice_in_its_first_epoch_ends_with_the_same_bits(
    kind: str, base: Path, straight: Straight, tmp_path: Path
) -> None:
    layout = (kind, 1, "none")
    stage = stage_for(base, tmp_path, layout)
    tiny.kill_when(tiny.start(stage), lambda: tiny.steps_done(stage) >= 2)
    tiny.kill_when(tiny.start(stage), lambda: tiny.steps_done(stage) >= 5)
    assert tiny.run(stage) == 0
    assert_equal(stage, straight(layout))


def test_a_run_killed_while_it_saves_goes_on_from_the_checkpoint_before(
    base: Path, straight: Straight, tmp_path: Path
) -> None:
    layout = ("sft", 1, "none")
    stage = stage_for(base, tmp_path, layout)
    half = checkpoint.staging(stage.path, 6)
    tiny.kill_when(tiny.start(stage), lambda: any(half.rglob("*.safetensors")) if half.exists() else False)
    assert not checkpoint.place(stage.path, 6).exists()
    assert tiny.run(stage) == 0
    assert_equal(stage, straight(layout))
    assert not list((stage.path / checkpoint.FOLDER).glob(".*")), "half-written checkpoints are cleaned away"


def test_a_damaged_checkpoint_is_set_aside_and_the_one_before_is_used(
    base: Path, straight: Straight, tmp_path: Path
) -> None:
    layout = ("sft", 1, "none")
    stage = stage_for(base, tmp_path, layout)
    tiny.kill_when(tiny.start(stage), lambda: checkpoint.place(stage.path, 9).exists())
    flip(checkpoint.place(stage.path, 9) / "optimizer.pt")
    assert tiny.run(stage) == 0
    assert_equal(stage, straight(layout))
    results = json.loads((stage.path / "manifest.json").read_text())["results"]
    assert results["resumed_at"] == 6
    assert "optimizer.pt has changed" in results["checkpoints_set_aside"][0]


def test_a_run_whose_checkpoints_are_all_damaged_stops_and_does_not_start_again(
    base: Path, tmp_path: Path
) -> None:
    stage = stage_for(base, tmp_path, ("sft", 1, "none"))
    tiny.kill_when(tiny.start(stage), lambda: checkpoint.place(stage.path, 3).exists())
    for folder in (stage.path / checkpoint.FOLDER).glob("step-*"):
        (folder / "model.safetensors").unlink()
    assert tiny.run(stage) == 74
    fault = reported(stage)
    assert fault is not None
    assert "model.safetensors is missing" in str(fault)


@pytest.mark.parametrize("world", [1, 2])
def test_a_run_told_to_stop_saves_says_75_and_goes_on_exactly(
    world: int, base: Path, straight: Straight, tmp_path: Path
) -> None:
    """With two ranks only one is told, as when one node is preempted: both must leave together."""
    layout = ("sft", world, "none")
    stage = stage_for(base, tmp_path, layout)
    process = tiny.start(stage)
    while tiny.steps_done(stage) < 2:
        assert process.poll() is None
    workers = psutil.Process(process.pid).children(recursive=True)
    target = (
        process.pid
        if world == 1
        else next(w.pid for w in workers if "lingshu_train.running.worker" in w.cmdline())
    )
    os.kill(target, signal.SIGTERM)
    code = process.wait(timeout=120)
    fault = reported(stage)
    assert fault is not None, (stage.path / "log.txt").read_text()
    assert fault.exit_code == 75
    assert code == 75
    assert tiny.run(stage) == 0
    assert_equal(stage, straight(layout))


def test_a_loss_that_is_not_finite_stops_the_run_and_is_never_saved(base: Path, tmp_path: Path) -> None:
    config = tiny.sft(learning_rate=dict.fromkeys(tiny.ALL_PARTS, 1e30), save_every=1)
    parents = {"data": base / "data", "base": base / "base"}
    stage = tiny.make_stage(tmp_path, "sft", config, parents=parents)
    assert tiny.run(stage) == 70
    fault = reported(stage)
    assert fault is not None
    assert "nothing of it is saved" in str(fault)
    assert not (stage.path / "model").exists()


def flip(path: Path) -> None:
    """Change one bit in the middle of a file."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
