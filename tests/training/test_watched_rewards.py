"""What GRPO watches while it trains, through real tiny runs: held-out accuracy, the alarm, hanging rewards, the audit."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiny
from layouts import Layout

from lingshu_train.data.corpus import corpus
from lingshu_train.errors import RecipeError
from lingshu_train.runs import ledger
from lingshu_train.runs.results import rollouts
from lingshu_train.runs.stage import Stage
from lingshu_train.stages.grpo import held_out

pytestmark = pytest.mark.slow

# Five questions, two at once: of two ranks one has a batch more to answer than the other.
WATCH = {"corpus": "data", "samples": 5, "every": 4, "per_device_batch": 2}
PARENTS = ("data", "short", "base", "warm")
RISING = """
calls = 0

def score(sample, completion, params):
    global calls
    calls += 1
    return calls / 100
"""
HANGS_ONCE = """
import time

def score(sample, completion, params):
    with open(params["calls"], "a") as stream:
        stream.write(".")
    with open(params["calls"]) as stream:
        if len(stream.read()) == params["at"]:
            time.sleep(600)
    return float(len(completion.text) % 3)
"""


def grpo(
    base: Path, root: Path, *, world: int = 1, deepspeed: str = "none", name: str = "grpo", **changes: Any
) -> Stage:
    config = tiny.grpo(per_device_batch=16 // world, **changes)
    parents = {each: base / each for each in PARENTS}
    return tiny.make_stage(root, name, config, parents=parents, deepspeed=deepspeed, world_size=world)


def finished(stage: Stage) -> Stage:
    assert tiny.run(stage) == 0, (stage.path / "log.txt").read_text()
    return stage


def unwatched(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: value for key, value in line.items() if not key.startswith("held_out/")} for line in lines]


@pytest.mark.parametrize("layout", [(1, "none"), (2, "zero3")], ids=str)
def test_watching_changes_no_bit_of_a_run_and_a_killed_one_measures_the_same(
    layout: tuple[int, str], base: Path, straight: Callable[[Layout], Stage], tmp_path: Path
) -> None:
    world, deepspeed = layout
    stage = grpo(base, tmp_path, world=world, deepspeed=deepspeed, watch=WATCH)
    tiny.kill_when(tiny.start(stage), lambda: tiny.steps_done(stage) >= 11)
    finished(stage)
    plain = straight(("grpo", world, deepspeed))
    assert tiny.weights(stage.path) == tiny.weights(plain.path)
    lines = tiny.trajectory(stage.path)
    assert unwatched(lines) == tiny.trajectory(plain.path)
    measured = {line["step"]: line["held_out/accuracy"] for line in lines if "held_out/accuracy" in line}
    assert list(measured) == [4, 8, 12]
    assert all(value * 5 == pytest.approx(round(value * 5)) for value in measured.values())
    assert (stage.path / ledger.COMPLETIONS).read_bytes() == (plain.path / ledger.COMPLETIONS).read_bytes()
    if world == 1:
        twin = finished(grpo(base, tmp_path, watch=WATCH, name="uninterrupted"))
        assert tiny.trajectory(twin.path) == lines


def test_a_reward_that_rises_alone_raises_the_alarm_in_the_run_its_ledger_and_its_manifest(
    base: Path, tmp_path: Path
) -> None:
    (tmp_path / "rising.py").write_text(RISING, encoding="utf-8")
    terms = [{"name": "rising", "file": str(tmp_path / "rising.py")}, {"name": "accuracy", "weight": 0.0}]
    stage = finished(
        grpo(
            base,
            tmp_path,
            rewards={"mode": "sum", "terms": terms},
            learning_rate=dict.fromkeys(tiny.ALL_PARTS, 1e-12),
            rollout_prompts=4,
            steps=12,
            watch=WATCH,
        )
    )
    alarms = {line["step"]: line["alarm"] for line in ledger.steps(stage.path) if "alarm" in line}
    assert list(alarms) == [12], "eight windows before it are the fewest that say anything"
    assert "held-out accuracy changed by +0.000" in alarms[12]
    assert f"lingshu: grpo: step 12: {alarms[12]}" in (stage.path / "log.txt").read_text(encoding="utf-8")
    results = json.loads((stage.path / "manifest.json").read_text(encoding="utf-8"))["results"]
    assert results["warnings"] == [f"grpo: step 12: {alarms[12]}"]


def test_a_reward_that_hangs_costs_one_sample_and_a_resumed_run_repeats_it_without_waiting(
    base: Path, tmp_path: Path
) -> None:
    (tmp_path / "hangs.py").write_text(HANGS_ONCE, encoding="utf-8")

    def stage(name: str) -> Stage:
        # A window scores 32 completions: the 70th call falls into the third window, steps 5 and 6.
        params = {"calls": str(tmp_path / "calls"), "at": 70}
        hangs = {
            "name": "hangs",
            "file": str(tmp_path / "hangs.py"),
            "params": params,
            "limits": {"wall_s": 3.0},
        }
        terms = [hangs, {"name": "accuracy"}]
        return grpo(base, tmp_path, name=name, rewards={"mode": "sum", "terms": terms})

    whole = finished(stage("whole"))
    lines = tiny.trajectory(whole.path)
    lost = [
        (line["step"], line["rewards/hangs/timeouts"]) for line in lines if line["rewards/hangs/timeouts"]
    ]
    assert lost == [(5, 1.0), (6, 1.0)], "the metrics of a window stand beside each of its steps"
    assert [line["reward/unscored"] for line in lines if line["step"] == 5] == [1.0]
    (timed_out,) = ledger.steps(whole.path, name=ledger.TIMEOUTS)
    assert timed_out["step"] == 5

    (tmp_path / "calls").unlink()
    killed = stage("killed")
    tiny.kill_when(tiny.start(killed), lambda: tiny.steps_done(killed) >= 6)
    assert ledger.steps(killed.path, name=ledger.TIMEOUTS) == [timed_out]
    finished(killed)
    results = json.loads((killed.path / "manifest.json").read_text(encoding="utf-8"))["results"]
    assert results["resumed_at"] == 4
    assert ledger.steps(killed.path, name=ledger.TIMEOUTS) == [timed_out], "marked again, not timed again"
    assert tiny.weights(killed.path) == tiny.weights(whole.path)
    assert tiny.trajectory(killed.path) == lines


def test_the_audit_draws_the_same_prompts_on_any_number_of_ranks(
    base: Path, straight: Callable[[Layout], Stage]
) -> None:
    drawn = []
    for layout in (("grpo", 1, "none"), ("grpo", 2, "none")):
        lines = rollouts(straight(layout).path)
        drawn.append([(line.step, line.id) for line in lines if line.why == "random"])
        steps = sorted({line.step for line in lines})
        assert steps == [1, 3, 5, 7, 9, 11]
        assert all(len({one.id for one in lines if one.step == step}) >= 2 for step in steps)
    assert drawn[0] == drawn[1]
    assert len(drawn[0]) == 6 * 2 * 4
    assert len({name for _, name in drawn[0]}) > 2, "not the same prompts every time"


def test_the_watched_questions_depend_on_seed_and_ids_alone(base: Path) -> None:
    samples = corpus.load(base / "data" / "corpus", split="held_out").samples
    first = held_out.chosen(samples, count=5, seed=0)
    assert held_out.chosen(samples[::-1], count=5, seed=0) == first
    assert held_out.chosen(samples, count=3, seed=0) == first[:3]
    assert held_out.chosen(samples, count=5, seed=1) != first
    assert len(held_out.chosen(samples, count=99, seed=0)) == len(samples)


def test_every_line_of_the_ledger_says_how_answers_were_judged(straight: Callable[[Layout], Stage]) -> None:
    for line in ledger.steps(straight(("grpo", 2, "none")).path):
        assert sum(value for key, value in line.items() if key.startswith("status/")) == pytest.approx(1)
        assert sum(value for key, value in line.items() if key.startswith("rule/")) <= 1 + 1e-9
        assert 0 < line["answers/top_share/numeric"] <= 1
        assert line["reward/unscored"] == line["rewards/accuracy/timeouts"] == 0


def test_a_watch_inside_a_generation_window_is_refused_when_planned(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="inside a generation window of 2"):
        tiny.make_stage(tmp_path, "grpo", tiny.grpo(watch=WATCH | {"every": 3}), parents={})


def test_a_stage_shorter_than_the_interval_is_measured_at_its_end(base: Path, tmp_path: Path) -> None:
    stage = finished(grpo(base, tmp_path, steps=2, watch=WATCH))
    assert [line["step"] for line in ledger.steps(stage.path) if "held_out/accuracy" in line] == [2]
