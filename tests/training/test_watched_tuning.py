"""Held-out loss while a model is fine-tuned, through real tiny runs: it changes no bit, and is the same however it is made."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiny
import torch
from layouts import Layout

from lingshu_train.errors import RecipeError
from lingshu_train.runs.stage import Stage
from lingshu_train.training.collate import Collator

# Five rows, two at once: of two ranks one has a batch more to go through than the other.
WATCH = {"corpus": "data", "samples": 5, "every": 3, "per_device_batch": 2}
LOSS, ACCURACY = "held_out/loss", "held_out/token_accuracy"


def watched(base: Path, root: Path, *, world: int = 1, deepspeed: str = "none", **changes: Any) -> Stage:
    config = tiny.sft(per_device_batch=4 // world, watch=WATCH | changes.pop("watch", {}), **changes)
    parents = {name: base / name for name in ("data", "base")}
    name = f"sft-{world}-{deepspeed}"
    return tiny.make_stage(root, name, config, parents=parents, deepspeed=deepspeed, world_size=world)


def finished(stage: Stage) -> Stage:
    assert tiny.run(stage) == 0, (stage.path / "log.txt").read_text()
    return stage


def measured(stage: Stage, column: str) -> dict[int, float]:
    return {line["step"]: line[column] for line in tiny.trajectory(stage.path) if column in line}


@pytest.mark.slow
@pytest.mark.parametrize("layout", [(1, "none"), (2, "none"), (2, "zero3")], ids=str)
def test_watching_changes_no_bit_of_a_run_and_a_killed_one_measures_the_same(
    layout: tuple[int, str], base: Path, straight: Callable[[Layout], Stage], tmp_path: Path
) -> None:
    world, deepspeed = layout
    stage = watched(base, tmp_path, world=world, deepspeed=deepspeed)
    tiny.kill_when(tiny.start(stage), lambda: tiny.steps_done(stage) >= 8)
    before = measured(stage, LOSS)
    finished(stage)
    plain = straight(("sft", world, deepspeed))
    assert tiny.weights(stage.path) == tiny.weights(plain.path) != {}
    lines = tiny.trajectory(stage.path)
    unwatched = [
        {key: value for key, value in line.items() if not key.startswith("held_out/")} for line in lines
    ]
    assert unwatched == tiny.trajectory(plain.path)
    after = measured(stage, LOSS)
    assert list(after) == list(measured(stage, ACCURACY)) == [3, 6, 9, 12]
    assert {step: after[step] for step in before} == before != {}
    if world == 1:
        twin = finished(watched(base, tmp_path / "uninterrupted"))
        assert tiny.trajectory(twin.path) == lines


@pytest.mark.slow
def test_two_ranks_measure_what_one_does_and_so_does_any_batch(base: Path, tmp_path: Path) -> None:
    one = finished(watched(base, tmp_path))
    two = finished(watched(base, tmp_path, world=2, deepspeed="zero2"))
    by_itself = finished(watched(base, tmp_path / "single", watch={"per_device_batch": 1}))
    for other in (two, by_itself):
        assert measured(other, LOSS) == pytest.approx(measured(one, LOSS), rel=1e-5)
        assert measured(other, ACCURACY) == pytest.approx(measured(one, ACCURACY), abs=0.02)
    assert measured(one, LOSS)[12] < measured(one, LOSS)[3], "nothing was learned"


@pytest.mark.slow
def test_packed_training_is_measured_on_the_same_rows_as_any_other(base: Path, tmp_path: Path) -> None:
    """At a rate of nothing all runs have the same model, so that only the measuring can differ."""
    rate = dict.fromkeys(tiny.ALL_PARTS, 1e-12)
    plain = finished(watched(base, tmp_path, learning_rate=rate))
    packed = finished(
        watched(base, tmp_path / "packed", learning_rate=rate, layout="packs", accumulation=2, max_length=130)
    )
    assert measured(packed, LOSS)[12] == pytest.approx(measured(plain, LOSS)[12], rel=1e-6)


@pytest.mark.slow
def test_the_held_out_loss_is_that_of_the_model_library(base: Path, tmp_path: Path) -> None:
    """The last measurement, made again by transformers' own loss from the saved weights and the rows by themselves."""
    stage = finished(watched(base, tmp_path, watch={"samples": 8}))
    facts = json.loads((stage.path / "manifest.json").read_text(encoding="utf-8"))["results"]
    assert facts["watched"] == {"rows": 8, "left_out_as_too_long": {"data": 0}}
    model, text = tiny.model(stage.path / "model").eval(), tiny.processor(stage.path / "model")
    rows = tiny.rows(stage, stage.path / "model", split="held_out")
    collate = Collator(processor=text, packing=False, stored=rows.stored, family=tiny.FAMILY, model=model)
    loss, tokens = 0.0, 0
    for item in rows.dataset(system="", whole=True):
        batch = collate([item])
        count = int((batch["labels"][:, 1:] != -100).sum())
        with torch.no_grad():
            loss += float(model(**batch).loss) * count
        tokens += count
    assert measured(stage, LOSS)[12] == pytest.approx(loss / tokens, rel=1e-6)


@pytest.mark.slow
def test_rows_too_long_for_the_stage_are_left_out_and_counted(base: Path, tmp_path: Path) -> None:
    stage = finished(watched(base, tmp_path, max_length=60, most_too_long=1.0, watch={"samples": 8}))
    facts = json.loads((stage.path / "manifest.json").read_text(encoding="utf-8"))["results"]["watched"]
    assert facts["left_out_as_too_long"]["data"] == 8 - facts["rows"] > 0


@pytest.mark.slow
def test_the_last_step_is_measured_whatever_the_interval(base: Path, tmp_path: Path) -> None:
    stage = finished(watched(base, tmp_path, steps=4, watch={"every": 3}))
    assert list(measured(stage, LOSS)) == [3, 4]
    short = finished(watched(base, tmp_path / "short", steps=2, watch={"every": 5}))
    assert list(measured(short, LOSS)) == [2]


@pytest.mark.slow
def test_a_split_that_is_not_there_is_named_with_the_watch(base: Path, tmp_path: Path) -> None:
    stage = watched(base, tmp_path, watch={"split": "validation"})
    assert tiny.run(stage) == RecipeError.exit_code
    assert (
        "stages.sft-1-none.watch: split: unknown split 'validation'" in (stage.path / "log.txt").read_text()
    )
