"""Trackers beside real training: not a bit changes, and a killed run is whole in each of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import tiny
from layouts import Layout, stage_for
from tracking import OURS, Beside, rows

from lingshu_train.runs import ledger
from lingshu_train.runs.results import rollouts
from lingshu_train.runs.stage import Stage
from lingshu_train.trackers._choice import Chosen
from lingshu_train.trackers._lines import PER_STEP

pytestmark = pytest.mark.slow


def test_a_killed_and_resumed_run_has_the_bits_of_an_untracked_one_and_each_tracker_its_last_values(
    base: Path, straight: Callable[[Layout], Stage], tmp_path: Path
) -> None:
    beside = Beside(tmp_path / "home")
    plain = straight(("grpo", 1, "none"))
    stage = stage_for(base, tmp_path, ("grpo", 1, "none"))
    stage.write()
    chosen = [Chosen(name=name, samples=True) for name in OURS]
    with beside(stage, *chosen):
        tiny.kill_when(tiny.start(stage), lambda: tiny.steps_done(stage) >= 11)
    with beside(stage, *chosen):
        assert tiny.run(stage) == 0, (stage.path / "log.txt").read_text()
    assert beside.said == []
    assert json.loads((stage.path / "manifest.json").read_text())["results"]["resumed_at"] == 8
    assert tiny.weights(stage.path) == tiny.weights(plain.path)
    assert tiny.trajectory(stage.path) == tiny.trajectory(plain.path)
    lines = {line["step"]: line for line in ledger.steps(stage.path)}
    numbers = {step: {key: value for key, value in line.items() if isinstance(value, int | float)} for step, line in lines.items()}  # fmt: skip
    for name in OURS:
        found = rows(stage, name)
        assert [step for step, _ in found] == list(range(1, 13)), name
        for step, values in found:
            expected = {key: value for key, value in numbers[step].items() if key != "step"}
            assert {key: values[key] for key in expected} == pytest.approx(expected, rel=1e-6), name
        shown = {step for step, values in found if any(key.startswith("samples") for key in values)}
        assert shown == {line.step for line in rollouts(stage.path)}, name
    folder = stage.path.parent / "trackers"
    # None is left of the first life. wandb keeps equal pictures of a step once.
    shown = shown_pictures(stage)
    assert len(list((folder / "trackio" / "media").rglob("*.png"))) == len(shown)
    assert len(list((folder / "wandb").rglob("*.png"))) == len(set(shown))


def shown_pictures(stage: Stage) -> list[tuple[int, str]]:
    """Of the completions kept of each step the first eight: the step and the picture."""
    steps: dict[int, list[tuple[int, str]]] = {}
    for line in rollouts(stage.path):
        steps.setdefault(line.step, []).append((line.step, line.image or ""))
    return [one for lines in steps.values() for one in lines[:PER_STEP] if one[1]]


def test_pictures_of_samples_are_the_stored_ones(straight: Callable[[Layout], Stage], tmp_path: Path) -> None:
    """Sent after the fact: the completions of a finished stage."""
    stage = straight(("grpo", 1, "none"))
    with Beside(tmp_path / "home")(stage, Chosen(name="tensorboard", samples=True)):
        pass
    pictures = [
        value for _, row in rows(stage, "tensorboard") for tag, value in row.items() if tag.endswith("/image")
    ]
    assert pictures
    assert all(picture.startswith(b"\x89PNG") for picture in pictures)
