"""Windows drawn ahead, by the real engine: one window off policy, corrected, and the same bits however often a run is killed."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tiny
import vllm_engine
from vllm_engine import weights

from lingshu_train import rollouts
from lingshu_train.rollouts._served import Served
from lingshu_train.runs import checkpoint
from lingshu_train.runs.stage import Stage
from lingshu_train.stages.grpo import ahead

pytestmark = [pytest.mark.slow, vllm_engine.needed]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("trained")
    vllm_engine.base(root)
    return root


@pytest.fixture(scope="module")
def elsewhere(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """The block of a recipe that has one server draw, which outlives stages."""
    with rollouts.start("vllm", {}, where="test", weights=weights(trained / "base" / "model")) as running:
        assert isinstance(running, Served)
        yield vllm_engine.outside(running, tmp_path_factory.mktemp("shared"))


def grpo(trained: Path, root: Path, **changes: Any) -> Stage:
    watch = {"corpus": "short", "every": 2, "samples": 4, "per_device_batch": 4}
    more = {"ahead": 1, "importance_cap": 2.0, **changes}
    config = tiny.grpo(steps=6, save_every=2, per_device_batch=16, watch=watch, **more)
    parents = {each: trained / each for each in ("short", "warm")}
    return tiny.make_stage(root, "rl", config, parents=parents, model=vllm_engine.MODEL)


@pytest.fixture(scope="module")
def straight(trained: Path, elsewhere: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Stage:
    stage = grpo(trained, tmp_path_factory.mktemp("straight"), rollouts=elsewhere)
    assert tiny.run(stage) == 0, (stage.path / "log.txt").read_text()
    return stage


def test_a_window_is_drawn_by_the_weights_from_before_the_last_one_and_the_ledger_says_so(
    straight: Stage,
) -> None:
    lines = tiny.trajectory(straight.path)
    assert [line[ahead.STEP] for line in lines] == [0, 0, 0, 0, 2, 2]
    first, second, third = (line["off_policy/mean"] for line in lines[::2])
    assert first < 1e-6, "nothing was learned before the first window"
    assert min(second, third) > 1e-5, "the others are off policy by what a window taught"
    assert not any(name.startswith("engine_gap") for line in lines for name in line)
    assert [line["step"] for line in lines if "held_out/accuracy" in line] == [2, 4, 6]


def test_a_checkpoint_holds_the_window_that_comes_next_and_the_last_one_none(straight: Stage) -> None:
    folders = checkpoint.existing(straight.path)
    assert [checkpoint.step_of(folder) for folder in folders] == [2, 4, 6]
    found = [
        ahead.Drawn.model_validate_json((folder / ahead.NAME).read_text())
        for folder in folders
        if (folder / ahead.NAME).is_file()
    ]
    assert [(one.window, one.step, len(one.completions)) for one in found] == [(1, 0, 32), (2, 2, 32)]
    assert len({one.seed for each in found for one in each.completions}) == 64


def test_server_and_trainer_killed_while_a_window_is_drawn_ahead_end_with_the_same_bits(
    straight: Stage, trained: Path, elsewhere: dict[str, Any], tmp_path: Path
) -> None:
    """The stage's own server dies while it draws for later, by weights that the trainer has no more; then the trainer dies, and
    goes on with another server."""
    stage = grpo(trained, tmp_path, rollouts={"engine": "vllm"})
    process = tiny.start(stage)
    while tiny.steps_done(stage) < 1:
        assert process.poll() is None, (stage.path / "log.txt").read_text()
    (pid,) = vllm_engine.servers(stage.path)
    os.kill(pid, signal.SIGKILL)
    tiny.kill_when(process, lambda: tiny.steps_done(stage) >= 5)
    assert "started anew" in (stage.path / "log.txt").read_text()
    assert [checkpoint.step_of(folder) for folder in checkpoint.existing(stage.path)] == [2, 4]
    stage.config["rollouts"] = elsewhere
    assert tiny.run(stage) == 0, (stage.path / "log.txt").read_text()
    assert tiny.trajectory(stage.path) == tiny.trajectory(straight.path)
    assert tiny.weights(stage.path) == tiny.weights(straight.path)


def test_dynamic_sampling_asks_on_by_the_weights_of_now_and_goes_on_to_the_same_bits(
    trained: Path, elsewhere: dict[str, Any], tmp_path: Path
) -> None:
    stage = grpo(trained, tmp_path, rollouts=elsewhere, dynamic_sampling={"most_draws": 3})
    assert tiny.run(stage) == 0, (stage.path / "log.txt").read_text()
    whole, ended = tiny.trajectory(stage.path), tiny.weights(stage.path)
    assert any(line["prompts_asked"] > 8 for line in whole), "there was something to ask on for"
    shutil.rmtree(stage.path / "checkpoints" / "step-00000006")
    shutil.rmtree(stage.path / "model")
    (stage.path / "manifest.json").unlink()
    assert tiny.run(stage) == 0, (stage.path / "log.txt").read_text()
    assert (tiny.trajectory(stage.path), tiny.weights(stage.path)) == (whole, ended)
    results = json.loads((stage.path / "manifest.json").read_text())["results"]
    assert results["resumed_at"] == 4
