"""Rewards that fail inside a real GRPO stage: counted, told with the user's own error, never trained on."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import tiny

from lingshu_train.errors import TrainingDiverged
from lingshu_train.running.worker import reported
from lingshu_train.runs import ledger
from lingshu_train.runs.stage import Stage

pytestmark = pytest.mark.slow

PARENTS = ("data", "short", "base", "warm")


def stage(base: Path, root: Path, body: str, *, head: str = "", **changes: object) -> Stage:
    """A GRPO stage of two windows whose reward is this body of `score`, beside accuracy."""
    path = root / "mine.py"
    path.write_text(f"{head}\ndef score(sample, completion, params):\n{body}\n", encoding="utf-8")
    terms = [{"name": "accuracy"}, {"name": "mine", "file": str(path)}]
    config = tiny.grpo(steps=4, per_device_batch=16, rewards={"terms": terms}, **changes)
    return tiny.make_stage(root, "grpo", config, parents={each: base / each for each in PARENTS})


def test_rewards_that_overflow_are_counted_and_never_trained_on(
    base: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    head = "calls = 0"
    body = (
        "    global calls\n    calls += 1\n"
        "    return 1e39 if calls % 5 == 0 else float('inf') if calls % 7 == 0 else calls % 3"
    )
    made = stage(base, tmp_path, body, head=head)
    facts = tiny.run_here(made)
    raw = (made.path / ledger.NAME).read_text(encoding="utf-8")
    assert "Infinity" not in raw and "NaN" not in raw
    first, _, third, _ = ledger.steps(made.path)
    # 5, 10, 15, 20, 25, 30 and 7, 14, 21, 28 of 32 calls; then 35 to 60 and 35 (once), 42, 49, 56, 63.
    assert (first["reward/unscored"], first["reward/out_of_range"]) == (10.0, 10.0)
    assert (third["reward/unscored"], third["reward/out_of_range"]) == (10.0, 10.0)
    assert first["rewards/mine/status/out_of_range"] == 10 / 32
    for line in (first, third):
        assert math.isfinite(line["reward_std"]) and line["reward_std"] < 10
    assert facts["warnings"] == [
        "grpo: reward mine left 20 completions unscored: out_of_range (gave float 1e+39)"
    ]
    told = [line for line in capfd.readouterr().err.splitlines() if "reward mine" in line]
    assert len(told) == 1, "each kind of fault is told once"
    assert "step 1: reward mine: out_of_range: gave float 1e+39" in told[0]


def test_a_reward_that_always_raises_ends_the_run_with_the_users_own_error(
    base: Path, tmp_path: Path
) -> None:
    made = stage(base, tmp_path, "    return sample.no_such_field")
    with pytest.raises(TrainingDiverged) as ended:
        tiny.run_here(made)
    assert str(ended.value) == (
        "step 1: no completion could be scored: reward mine: raised, 32 times, first AttributeError: 'Sample' object has "
        "no attribute 'no_such_field' (mine.py:3)"
    )


def test_a_reward_that_raises_now_and_then_is_told_in_the_log_and_in_the_manifest(
    base: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    head = "calls = 0"
    body = "    global calls\n    calls += 1\n    return {}['spots'] if calls % 4 == 0 else 'text' if calls == 9 else 1.0"
    made = stage(base, tmp_path, body, head=head)
    facts = tiny.run_here(made)
    assert "reward mine: raised: KeyError: 'spots' (mine.py:5)" in capfd.readouterr().err
    assert facts["warnings"] == [
        "grpo: reward mine left 17 completions unscored: invalid (gave str 'text'); raised (KeyError: 'spots' (mine.py:5))"
    ]


def test_a_reward_that_cannot_be_loaded_ends_the_stage_before_any_model_is_opened(
    base: Path, tmp_path: Path
) -> None:
    made = stage(base, tmp_path, "    return 1.0", head="import no_such_package")
    assert tiny.run(made) == 78
    fault = reported(made)
    assert fault is not None
    assert fault[0].endswith(
        "mine.py cannot be loaded: ModuleNotFoundError: No module named 'no_such_package' (mine.py:1)"
    )
    assert fault[0].startswith("stages.grpo.rewards.terms.1.file: ")
    assert not (made.path / ledger.NAME).exists()
