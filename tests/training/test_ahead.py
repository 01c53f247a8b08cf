"""What a recipe may say of windows drawn ahead, and what a resumed run makes of what was drawn."""

from __future__ import annotations

from typing import Any

import pytest
import tiny

from lingshu_train.errors import DataError, RecipeError
from lingshu_train.rollouts._drawing import NotFinite
from lingshu_train.stages import _kinds as kinds
from lingshu_train.stages.grpo import ahead
from lingshu_train.stages.grpo.config import Config

SERVED = {"engine": "vllm"}
ON: dict[str, Any] = {"ahead": 1, "importance_cap": 2.0, "rollouts": SERVED}


def read(**changes: Any) -> Config:
    config = kinds.read(tiny.grpo(**changes), where="stages.rl")
    assert isinstance(config, Config)
    config.check("stages.rl")
    return config


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"rollouts": {"engine": "transformers"}}, r"stages\.rl\.ahead: .* rollouts\.engine=vllm"),
        ({"importance_cap": None}, r"stages\.rl\.ahead: .* importance_cap"),
        ({"engine_gap_alarm": 0.1}, r"stages\.rl\.engine_gap_alarm"),
    ],
)
def test_what_does_not_go_with_windows_drawn_ahead_is_refused(changes: dict[str, Any], said: str) -> None:
    read(**ON)
    with pytest.raises(RecipeError, match=said):
        read(**(ON | changes))


def test_a_plan_says_it_and_it_names_the_stage_where_it_is_on() -> None:
    plain, on = read(importance_cap=2.0, rollouts=SERVED), read(**ON)
    assert "ahead" not in plain.naming
    assert on.naming["ahead"] == 1
    assert not [line for line in plain.describe() if line.label == "ahead"]
    (line,) = [line for line in on.describe() if line.label == "ahead"]
    assert "by the weights from before the last window" in line.text
    assert "up to 2" in line.text


def kept(seed: int, prompt: list[int], chance: float | None = -0.5) -> ahead.Kept:
    return ahead.Kept(seed=seed, prompt=ahead._digest(prompt), ids=(seed, 9), log_probs=(-1.0, chance))


def test_each_rank_finds_its_completions_by_seed_and_takes_none_of_another_prompt() -> None:
    known = {one.seed: one for one in (kept(1, [5, 6]), kept(2, [5, 6]), kept(3, [7]))}
    assert ahead._of(known, [[7], [5, 6]], [3, 1]) == ([[3, 9], [1, 9]], [[-1.0, -0.5]] * 2)
    with pytest.raises(DataError, match="1 of 2 completions"):
        ahead._of(known, [[7], [5, 7]], [3, 1])
    with pytest.raises(DataError, match="1 of 1 completions"):
        ahead._of(known, [[7]], [4])


def test_a_chance_that_was_not_finite_is_none_after_a_resume_either() -> None:
    with pytest.raises(NotFinite):
        ahead._of({1: kept(1, [5], None)}, [[5]], [1])


def test_what_a_checkpoint_holds_is_read_back_to_the_last_bit() -> None:
    made = ahead.Drawn(
        window=3, step=4, completions=(kept(2**48 - 1, [1], -0.1 - 1e-17), kept(5, [2], -1 / 3))
    )
    assert ahead.Drawn.model_validate_json(made.model_dump_json()) == made
