"""A stage that goes on with other processes, or divided otherwise: each step has its samples, and what follows is said, not
hidden."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
import tiny
from layouts import GRPO, SFT, Layout, stage_for

from lingshu_train.errors import RecipeError
from lingshu_train.hub import model_card
from lingshu_train.planning import outline, plan, recipe
from lingshu_train.running.faults import reported
from lingshu_train.runs import checkpoint, manifest, moved
from lingshu_train.runs.cluster import Divided
from lingshu_train.runs.moved import Move
from lingshu_train.runs.stage import Stage

SLAKE = ["stages.data.cards=[slake]", "stages.data.splits=[train]", "pipeline=[data,instruct]"]


def on(stage: Stage, world: int, divided: Divided | None = None, *, asked: bool = True) -> Stage:
    """A stage that two processes began, run by others, and divided otherwise."""
    named = stage.begun_with or stage.cluster.deepspeed
    now = divided or stage.cluster.deepspeed
    cluster = stage.cluster.model_copy(
        update={"continue_on": world if asked else None, "continue_with": divided, "deepspeed": now}
    )
    return stage.model_copy(
        update={
            "cluster": cluster,
            "world_size": world,
            "begun_on": stage.named_world if world != stage.named_world else 0,
            "begun_with": named if now != named else "",
        }
    )


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


def newest(stage: Stage) -> int:
    return checkpoint.step_of(checkpoint.existing(stage.path)[-1])


WAYS: dict[str, tuple[Layout, list[tuple[int, Divided]]]] = {
    "levels": (("sft", 2, "zero1"), [(2, "zero2"), (2, "zero3"), (2, "none")]),
    "processes": (("sft", 2, "zero3"), [(1, "zero3"), (2, "zero3"), (2, "zero1")]),
    "adapter": (("lora", 2, "zero2"), [(2, "zero3"), (1, "none"), (2, "zero2")]),
    "host": (("sft", 2, "zero3+optimizer"), [(1, "zero2"), (2, "zero1")]),
    "rollouts": (("grpo", 2, "zero2"), [(2, "zero3")]),
    "rollouts_alone": (("grpo", 2, "zero2"), [(1, "none"), (2, "zero2")]),
}
"""How a stage begins, and how it goes on, from one checkpoint to the next and at last to the end. One process has nothing to
divide, but for what lies on the host."""


@pytest.mark.slow
@pytest.mark.parametrize("way", list(WAYS))
def test_a_stage_goes_from_each_way_of_dividing_to_each_other(
    way: str, base: Path, straight: Callable[[Layout], Stage], tmp_path: Path
) -> None:
    layout, ways = WAYS[way]
    begun = stage_for(base, tmp_path, layout)
    apart = GRPO if begun.kind == "grpo" else SFT
    every = int(str(begun.config["save_every"]))
    until(begun, every)
    went = [moved.here(begun)]
    at = []
    for n, (world, divided) in enumerate(ways, 1):
        at.append(newest(begun))
        then = on(begun, world, divided)
        went.append(moved.here(then))
        if n < len(ways):
            until(then, at[-1] + every)
        else:
            assert tiny.run(then) == 0, (begun.path / "log.txt").read_text()[-3000:]
    assert moved.read(begun.path) == tuple(
        Move(step=step, of=one.processes, to=two.processes, was=one.divided, now=two.divided)
        for step, (one, two) in zip(at, pairwise(went), strict=True)
    )
    ours, theirs = tiny.trajectory(begun.path), tiny.trajectory(straight(layout).path)
    for column in ("step", "samples", "tokens", "epoch"):
        assert [line[column] for line in ours] == [line[column] for line in theirs], column
    for column in ("loss", "grad_norm"):
        there = [line[column] for line in theirs]
        assert [line[column] for line in ours] == pytest.approx(there, rel=apart, abs=1e-6), column
    assert [line["step"] for line in ours if line.get(moved.COLUMN)] == [step + 1 for step in at]
    said = str(manifest.read(begun.path).results[moved.FACT])
    assert all(f"from {one} to {two} after" in said for one, two in pairwise(went))


def test_a_stage_keeps_its_name_and_its_samples_in_another_layout() -> None:
    other = recipe.load(
        "adapt", [*SLAKE, "cluster.processes=2", "cluster.deepspeed=zero2", "+cluster.continue_with=zero3"]
    )
    begun = recipe.load("adapt", [*SLAKE, "cluster.processes=2", "cluster.deepspeed=zero2"])
    chosen = recipe.load(
        "adapt", [*SLAKE, "cluster.processes=2", "cluster.deepspeed=zero2", "+cluster.continue_on=1"]
    )
    two, one = plan.build(begun).stages[-1], plan.build(chosen).stages[-1]
    assert (one.content, one.folder, one.named_world) == (two.content, two.folder, two.named_world)
    assert (two.world_size, one.world_size) == (2, 1)
    assert "moved    begun on 2 processes under zero2, goes on with 1 process: from there not to the bit" in (
        outline.text(chosen, plan.build(chosen))
    )
    assert "moved " not in outline.text(begun, plan.build(begun))
    config = plan.build(begun).planned[-1].config
    per_step = [config.per_device_batch * config.micro_steps(2, world) * world for world in (2, 1, 4)]  # type: ignore[attr-defined]
    assert len(set(per_step)) == 1
    third = plan.build(other).stages[-1]
    assert (third.content, third.begun_with, third.cluster.deepspeed) == (two.content, "zero2", "zero3")


@pytest.mark.parametrize(
    ("overrides", "launched", "line"),
    [
        (["+cluster.continue_on=3"], None, r"stages\.instruct\.accumulation: 16 .* on 2 processes do not divide among the 3"),
        (["+cluster.continue_on=1"], 4, r"cluster\.continue_on: 1, and the launcher has started 4"),
        (["+cluster.continue_with=zero2", "+stages.instruct.optimizer=adamw_8bit"], None, r"optimizer: adamw_8bit beside cluster\.deepspeed=zero2"),
        (["+cluster.continue_with=none", "cluster.deepspeed=zero2", "cluster.offload=optimizer"], None, r"cluster\.offload: optimizer .* is none"),
    ],
)  # fmt: skip
def test_other_processes_that_cannot_go_on_are_refused_in_one_line(
    overrides: list[str], launched: int | None, line: str
) -> None:
    with pytest.raises(RecipeError, match=line) as raised:
        plan.build(recipe.load("adapt", [*SLAKE, "cluster.processes=2", *overrides]), world_size=launched)
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
