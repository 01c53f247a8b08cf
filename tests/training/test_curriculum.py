"""The online curriculum: it asks what is right half of the time, and a killed, resumed or replayed run chooses the same."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import tiny

from lingshu_train.errors import RecipeError
from lingshu_train.record import Sample, Score
from lingshu_train.replaying import again
from lingshu_train.rewards._compose import Total
from lingshu_train.runs import ledger
from lingshu_train.runs.stage import Stage
from lingshu_train.stages import _kinds as kinds
from lingshu_train.stages.grpo.config import Config
from lingshu_train.stages.grpo.curriculum import Choosing

PARENTS = ("data", "short", "base", "warm")
BLOCK = {"candidates": 2, "by": ["answer"]}


def made(root: Path, name: str, base: Path, **changes: Any) -> Stage:
    config = tiny.grpo(**{"per_device_batch": 16, "save_every": 2, **changes}, curriculum=BLOCK)
    return tiny.make_stage(root, name, config, parents={each: base / each for each in PARENTS})


def sample(answer: str) -> Sample:
    return Sample(
        id=answer, card="c", task="t", question="?", answer=answer, split="train", question_type="numeric"
    )


def told(value: float) -> Total:
    return Total(value, {"accuracy": Score(value=value, status="right" if value else "wrong")}, "numeric")


def test_what_is_half_right_is_asked_before_what_is_always_or_never_right(tmp_path: Path) -> None:
    stage = made(tmp_path, "rl", tmp_path)
    stage.path.mkdir()
    config = kinds.read(stage.config, where="")
    assert isinstance(config, Config) and config.curriculum
    answers = ["always", "never", "half", "never"] * 8

    def choosing() -> Choosing:
        found = Choosing(stage, config, config.curriculum)  # type: ignore[arg-type]
        found.over(lambda place: sample(answers[place % len(answers)]))
        return found

    first = choosing()
    assert [first.place(n) for n in range(16)] == list(range(16)), "nobody knows anything yet"
    for right in (1.0, 0.0) * 8:
        first.note(1, [sample("always"), sample("never"), sample("half")], [told(1), told(0), told(right)])
    assert first.place(16) == 16, "the window before does not count yet"
    asked = [first.place(n) for n in range(32, 48)]
    assert sorted(asked) == list(range(32, 48))
    assert [answers[place % 32] for place in asked[:4]] == ["half"] * 4
    assert [choosing().place(n) for n in range(32, 48)] == asked, "a resume knows the same"


def test_what_cannot_be_is_refused_by_its_key(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="loader_workers: 2 processes read ahead"):
        made(tmp_path, "rl", tmp_path, loader_workers=2)
    with pytest.raises(RecipeError, match="candidates"):
        tiny.make_stage(tmp_path, "rl", tiny.grpo(curriculum={"candidates": 1}), parents={})


@pytest.mark.slow
def test_a_killed_run_ends_as_one_that_was_not_and_its_steps_replay(base: Path, tmp_path: Path) -> None:
    straight, killed = made(tmp_path, "straight", base), made(tmp_path, "killed", base)
    assert tiny.run(straight) == 0, (straight.path / "log.txt").read_text()
    tiny.kill_when(tiny.start(killed), lambda: tiny.steps_done(killed) >= 7)
    assert tiny.run(killed) == 0, (killed.path / "log.txt").read_text()
    assert tiny.trajectory(killed.path) == tiny.trajectory(straight.path)
    assert tiny.weights(killed.path) == tiny.weights(straight.path)
    passes = (straight.path / ledger.PASSES).read_bytes()
    assert (killed.path / ledger.PASSES).read_bytes() == passes and passes.count(b"\n") == 6

    start = again.start_of(straight, 9)
    scratch = again.scratch_of(straight, tmp_path / "scratch" / "rl", start, device="cpu", threads=0)
    lines = again.run(scratch, last=10, tick=lambda _: None)
    assert [ledger.replayable(line) for line in lines[8:10]] == tiny.trajectory(straight.path)[8:10]
    shutil.rmtree(tmp_path / "scratch")


@pytest.mark.slow
def test_two_ranks_with_dynamic_sampling_choose_alike_and_go_on_to_the_same_bits(
    base: Path, tmp_path: Path
) -> None:
    """A window may ask on, and both ranks know the passes of both."""
    changes: dict[str, Any] = {"steps": 8, "dynamic_sampling": {"most_draws": 2}, "per_device_batch": 8}
    straight, killed = (
        made(tmp_path, name, base, **changes).model_copy(update={"world_size": 2})
        for name in ("straight", "killed")
    )
    assert tiny.run(straight) == 0, (straight.path / "log.txt").read_text()
    tiny.kill_when(tiny.start(killed), lambda: tiny.steps_done(killed) >= 5)
    assert tiny.run(killed) == 0, (killed.path / "log.txt").read_text()
    assert tiny.trajectory(killed.path) == tiny.trajectory(straight.path)
    assert tiny.weights(killed.path) == tiny.weights(straight.path)
    passes = (straight.path / ledger.PASSES).read_bytes()
    assert (killed.path / ledger.PASSES).read_bytes() == passes and passes
    assert max(line["prompts_asked"] for line in tiny.trajectory(straight.path)) == 16, "a window asked on"
