"""A stage that goes on with another number of processes: each step has its samples, and what follows is said, not hidden."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import tiny
from layouts import SFT, Layout, stage_for

from lingshu_train.errors import RecipeError
from lingshu_train.hub import model_card
from lingshu_train.planning import plan, recipe
from lingshu_train.running.faults import reported
from lingshu_train.runs import checkpoint, manifest, moved
from lingshu_train.runs.moved import Move
from lingshu_train.runs.stage import Stage

SLAKE = ["stages.data.cards=[slake]", "stages.data.splits=[train]", "pipeline=[data,instruct]"]


def on(stage: Stage, world: int, *, asked: bool = True) -> Stage:
    """A stage that two processes began, run by others."""
    cluster = stage.cluster.model_copy(update={"continue_on": world if asked else None})
    begun = stage.named_world if world != stage.named_world else 0
    return stage.model_copy(update={"cluster": cluster, "world_size": world, "begun_on": begun})


def until(stage: Stage, step: int) -> None:
    tiny.kill_when(tiny.start(stage), lambda: checkpoint.place(stage.path, step).exists())


@pytest.mark.slow
def test_a_stage_goes_from_two_processes_to_one_and_back(
    base: Path, straight: Callable[[Layout], Stage], tmp_path: Path
) -> None:
    layout: Layout = ("sft", 2, "none")
    two = stage_for(base, tmp_path, layout)
    until(two, 3)
    one = on(two, 1)
    refused = on(two, 1, asked=False)
    assert tiny.run(refused) == 78
    fault = reported(refused)
    assert fault is not None
    assert "cluster.continue_on=1 goes on from it" in str(fault)
    first = checkpoint.step_of(checkpoint.existing(two.path)[-1])
    until(one, first + 3)
    second = checkpoint.step_of(checkpoint.existing(two.path)[-1])
    assert tiny.run(on(two, 2)) == 0, (two.path / "log.txt").read_text()

    whole = straight(layout)
    ours, theirs = tiny.trajectory(two.path), tiny.trajectory(whole.path)
    for column in ("step", "samples", "tokens", "epoch"):
        assert [line[column] for line in ours] == [line[column] for line in theirs], column
    for column in ("loss", "grad_norm"):
        assert [line[column] for line in ours] == pytest.approx([line[column] for line in theirs], rel=SFT)
    assert ours[:first] == theirs[:first], "the steps before are what they were"
    assert moved.read(two.path) == (Move(step=first, of=2, to=1), Move(step=second, of=1, to=2))
    made = manifest.read(two.path)
    said = f"from 2 to 1 processes after step {first}, from 1 to 2 processes after step {second}"
    assert said in str(made.results[moved.FACT])
    assert said in model_card._settings(made)
    assert moved.FACT not in manifest.read(whole.path).results


def test_a_stage_keeps_its_name_and_its_samples_on_other_processes() -> None:
    two = plan.build(recipe.load("adapt", [*SLAKE, "cluster.processes=2"])).stages[-1]
    one = plan.build(recipe.load("adapt", [*SLAKE, "cluster.processes=2", "+cluster.continue_on=1"])).stages[
        -1
    ]
    assert (one.content, one.folder, one.named_world) == (two.content, two.folder, two.named_world)
    assert (two.world_size, one.world_size) == (2, 1)
    config = plan.build(recipe.load("adapt", [*SLAKE, "cluster.processes=2"])).planned[-1].config
    per_step = [config.per_device_batch * config.micro_steps(2, world) * world for world in (2, 1, 4)]  # type: ignore[attr-defined]
    assert len(set(per_step)) == 1


@pytest.mark.parametrize(
    ("overrides", "launched", "line"),
    [
        (["+cluster.continue_on=3"], None, r"stages\.instruct\.accumulation: 16 .* on 2 processes do not divide among the 3"),
        (["+cluster.continue_on=1"], 4, r"cluster\.continue_on: 1, and the launcher has started 4"),
        (["+cluster.continue_on=1", "cluster.deepspeed=zero2"], None, r"cluster\.continue_on: beside cluster\.deepspeed=zero2"),
    ],
)  # fmt: skip
def test_other_processes_that_cannot_go_on_are_refused_in_one_line(
    overrides: list[str], launched: int | None, line: str
) -> None:
    chosen = recipe.load("adapt", [*SLAKE, "cluster.processes=2", *overrides])
    with pytest.raises(RecipeError, match=line) as raised:
        plan.build(chosen, world_size=launched)
    assert "\n" not in str(raised.value)


def test_a_move_that_led_to_no_checkpoint_did_not_happen(tmp_path: Path) -> None:
    stage = tiny.make_stage(tmp_path, "sft", tiny.sft(), parents={}, world_size=1)
    asked = on(stage.model_copy(update={"begun_on": 2}), 1)
    folder = checkpoint.staging(stage.path, 4) / "checkpoint-4"
    folder.mkdir(parents=True)
    (folder / "trainer_state.json").write_text(json.dumps({}))
    place = checkpoint.commit(stage.path, folder, step=4, content=stage.content, world_size=2)
    moved.agree(asked, place, writes=True)
    moved.agree(asked, place, writes=True)
    assert moved.read(stage.path) == (Move(step=4, of=2, to=1),)
    moved.agree(asked.model_copy(update={"world_size": 2, "begun_on": 0}), place, writes=True)
    assert moved.read(stage.path) == ()
