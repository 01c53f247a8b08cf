"""Other families take the same steps on every layout, resume to the bit and train by parts, as Qwen2.5-VL does.

That family is held to more of this in tests/training and tests/whole/test_resume.py. Here each of OTHERS has a handful of short
runs, shared by all tests, over rows of which every second has a picture: two steps each, in this process where there is one rank.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import families
import pytest
import tiny
import torch
from layouts import LORA, SFT, once
from plain_order import PlainOrder

from lingshu_train.model import family, load, parts
from lingshu_train.model.shape import PARTS
from lingshu_train.running import launch, nursery
from lingshu_train.runs.stage import Stage

pytestmark = pytest.mark.slow

OTHERS = [name for name in families.MODELS if name not in ("qwen2_5_vl", "toy_internvl")]
STEPS = 2
"""What is wrong with a gradient shows in the first; what an optimizer made of it, in the second."""
LOW = {"loss": 5e-3, "grad_norm": 5e-2}
"""Relative, of bfloat16 divided among ranks and recomputed: its numbers have eight bits. Gradients that were summed over two ranks
and not averaged would be apart by 1."""


@dataclass(frozen=True)
class Run:
    """A stage of a few steps of four samples each."""

    config: dict[str, Any]
    world: int = 1
    deepspeed: str = "none"
    model: dict[str, Any] = field(default_factory=dict)


def sft(**changes: Any) -> dict[str, Any]:
    """At one rate, so that a run of more steps begins with the steps of a shorter one."""
    return tiny.sft(**{"steps": STEPS, "save_every": 2, "schedule": "constant", **changes})


BF16 = {"dtype": "bfloat16"}
AGAIN = {**BF16, "gradient_checkpointing": True}
KILLED = "zero3"
RUNS = {
    "whole": Run(sft()),
    "split": Run(sft(per_device_batch=1, accumulation=4)),
    "ranks": Run(sft(per_device_batch=2), world=2),
    "zero2": Run(sft(per_device_batch=1, accumulation=2, layout="end_to_end"), world=2, deepspeed="zero2"),
    KILLED: Run(sft(per_device_batch=2, steps=4), world=2, deepspeed="zero3"),
    "low": Run(sft(), model=BF16),
    "low-again": Run(sft(), model=AGAIN),
    **{
        f"low-{level}": Run(sft(per_device_batch=2), world=2, deepspeed=level, model=AGAIN)
        for level in ("zero1", "zero2", "zero3")
    },
    "lora": Run(sft(**LORA)),
    "lora-zero3": Run(sft(per_device_batch=2, **LORA), world=2, deepspeed="zero3"),
}


@dataclass(frozen=True)
class Line:
    """A family, and a folder with finished stages: data, base."""

    name: str
    root: Path

    def stage(self, name: str, root: Path) -> Stage:
        run = RUNS[name]
        return tiny.make_stage(
            root,
            name,
            run.config,
            parents={one: self.root / one for one in ("data", "base")},
            model={**families.MODELS[self.name], **run.model},
            deepspeed=run.deepspeed,
            world_size=run.world,
        )

    def done(self, name: str) -> Stage:
        """Its uninterrupted run, made by the first test that asks."""
        folder = self.root / "runs" / name
        stage = self.stage(name, folder)

        def train(_: Path) -> None:
            if stage.world_size == 1:
                families.carry_out(stage)
            else:
                assert tiny.run(stage) == 0, (stage.path / "log.txt").read_text()[-3000:]

        folder.mkdir(parents=True, exist_ok=True)
        once(folder, train)
        return stage


@pytest.fixture(scope="module", params=OTHERS)
def line(request: pytest.FixtureRequest, shared: Path) -> Line:
    """Without what `plugins` sets: processes are forked from one that has the variables that these have (hatching.py)."""

    def make(root: Path) -> None:
        families.make(request.param, root)

    return Line(request.param, once(shared / f"line-{request.param}", make))


def test_no_variable_keeps_these_runs_from_being_forked(line: Line, tmp_path: Path) -> None:
    """LINGSHU_PLUGINS, which the fixture `plugins` sets, once made every rank of them import for ten seconds."""
    read = nursery._read_at_start(launch.environment(line.stage("whole", tmp_path)))
    assert not [name for name in read if name.startswith("LINGSHU_")]


def columns(stage: Stage, *names: str) -> dict[str, list[float]]:
    """Of the steps that all runs have."""
    lines = tiny.trajectory(stage.path)[:STEPS]
    assert len(lines) == STEPS
    return {name: [one[name] for one in lines] for name in names}


def assert_same_steps(stage: Stage, other: Stage) -> None:
    assert columns(stage, "samples", "tokens") == columns(other, "samples", "tokens")
    ours, theirs = columns(stage, "loss", "grad_norm"), columns(other, "loss", "grad_norm")
    for name, values in ours.items():
        assert values == pytest.approx(theirs[name], rel=SFT), name


def test_a_rank_has_text_alone_while_the_other_has_pictures() -> None:
    """So that the tests below are about both."""
    row = PlainOrder(32).row
    halves = [[row(2 * half + n) % 2 for n in (0, 1)] for half in range(2 * STEPS)]
    assert any(
        1 == min(halves[2 * step + one]) > min(halves[2 * step + 1 - one])
        for step in range(STEPS)
        for one in (0, 1)
    )


@pytest.mark.parametrize("other", ["split", "ranks", "zero2", "zero3"])
def test_however_the_batch_is_divided_the_steps_are_the_same(other: str, line: Line) -> None:
    """Accumulated; on two ranks; end to end under ZeRO-2; under ZeRO-3."""
    assert_same_steps(line.done(other), line.done("whole"))


@pytest.mark.parametrize("level", ["zero1", "zero2", "zero3"])
def test_in_bfloat16_divided_and_recomputed_steps_stay_near_the_undivided_ones(
    level: str, line: Line
) -> None:
    stage, other = line.done(f"low-{level}"), line.done("low")
    assert columns(stage, "samples", "tokens") == columns(other, "samples", "tokens")
    for name, allowed in LOW.items():
        found, expected = (columns(one, name)[name] for one in (stage, other))
        assert found == pytest.approx(expected, rel=allowed), name
    assert columns(other, "loss") != columns(line.done("whole"), "loss"), "it was another number format"


def test_what_is_recomputed_has_the_bits_of_what_is_kept(line: Line) -> None:
    again, kept = line.done("low-again"), line.done("low")
    assert tiny.trajectory(again.path) == tiny.trajectory(kept.path)
    assert tiny.weights(again.path) == tiny.weights(kept.path) != {}


def test_an_adapter_trains_beside_a_whole_part_and_a_frozen_one_on_any_layout(line: Line) -> None:
    stage = line.done("lora")
    assert_same_steps(line.done("lora-zero3"), stage)
    assert moved(line, stage) == {"merger", "language_model"}, "the vision tower is frozen"


def test_each_part_moves_at_its_own_rate(line: Line) -> None:
    assert moved(line, line.done("whole")) == set(PARTS)
    last = tiny.trajectory(line.done("lora").path)[-1]
    assert last["learning_rate/language_model"] == pytest.approx(10 * last["learning_rate/merger"])


def moved(line: Line, stage: Stage) -> set[str]:
    """Parts of which any number is not the base's."""
    architecture = family.of(line.name)
    before, after = (
        load.model(architecture, str(folder / "model"), dtype="float32", attention="sdpa")
        for folder in (line.root / "base", stage.path)
    )
    kept = dict(before.named_parameters())
    return {
        parts.part_of(architecture, name)
        for name, parameter in after.named_parameters()
        if not torch.equal(parameter, kept[name])
    }


def test_a_killed_run_ends_with_the_bits_of_an_uninterrupted_one(line: Line, tmp_path: Path) -> None:
    """Where each rank has a share of every weight. Adapters and GRPO go on from their checkpoints in test_family_stages.py."""
    straight = line.done(KILLED)
    stage = line.stage(KILLED, tmp_path)
    tiny.kill_when(tiny.start(stage), lambda: tiny.steps_done(stage) >= 3)
    assert not (stage.path / "manifest.json").exists()
    assert tiny.run(stage) == 0, (stage.path / "log.txt").read_text()[-3000:]
    assert json.loads((stage.path / "manifest.json").read_text())["results"]["resumed_at"] == 2
    assert tiny.weights(stage.path) == tiny.weights(straight.path) != {}
    assert tiny.trajectory(stage.path) == tiny.trajectory(straight.path)
