"""How far engine and trainer lie apart is told of the tokens that are learned from, whatever was asked for them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from trl import GRPOTrainer

from lingshu_train.stages.grpo.agreement import Agreement
from lingshu_train.stages.grpo.run import ExactGRPOTrainer

GROUP, WIDTH = 2, 3


def part(gaps: list[float], gains: list[list[float]], tokens: int) -> dict[str, Any]:
    """An asking of as many groups as `gaps`, each completion of so many tokens that lie so far apart."""
    rows = len(gaps) * GROUP
    mask = torch.zeros(rows, WIDTH)
    mask[:, :tokens] = 1
    apart = torch.tensor(gaps).repeat_interleave(GROUP)[:, None].expand(rows, WIDTH)
    return {
        **{name: torch.ones(rows, 1) for name in ("prompt_ids", "prompt_mask")},
        "completion_ids": torch.ones(rows, WIDTH),
        "completion_mask": mask,
        "advantages": torch.tensor(gains).flatten(),
        "old_per_token_logps": apart.clone(),
        "sampling_per_token_logps": torch.zeros(rows, WIDTH),
    }


def trainer(askings: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, *, draws: int) -> Any:
    """As much of one as answers a window, whose upstream gives these askings one after the other."""
    given = iter(askings)
    monkeypatch.setattr(GRPOTrainer, "_generate_and_score_completions", lambda self, inputs: next(given))
    made = object.__new__(ExactGRPOTrainer)
    made.most_draws, made.num_generations = draws, GROUP
    made.others = lambda draw: [{"row": 0}] * 2 * GROUP
    made.run = SimpleNamespace(family=None)
    made._picture_inputs = ("pixel_values",)
    made.processing_class = None
    made.state = SimpleNamespace(global_step=0)
    made.agreement = Agreement("rl", 0.2)
    return made


SPREAD, FLAT = [1.0, -1.0], [0.0, 0.0]


def test_a_window_of_several_askings_tells_of_the_groups_that_it_took_from_each(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = part([0.5, 8.0], [SPREAD, FLAT], 3)
    second = part([9.0, 0.1], [FLAT, SPREAD], 1)
    made = trainer([first, second], monkeypatch, draws=2)
    made._generate_and_score_completions([{"row": 0}] * 2 * GROUP)
    columns = made.agreement.columns()
    # Six tokens of the first asking's group with spread, two of the second's.
    assert columns["engine_gap/mean"] == pytest.approx((6 * 0.5 + 2 * 0.1) / 8)
    assert columns["engine_gap/max"] == 0.5
    assert columns["engine_gap/above_1e-1"] == pytest.approx(0.75), "0.1 is not above 0.1"
    assert "0.4 a token" in made.agreement.take_alarm()


def test_a_window_of_one_asking_tells_of_all_its_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    made = trainer([part([0.5, 0.1], [SPREAD, FLAT], 2)], monkeypatch, draws=1)
    made._generate_and_score_completions([{"row": 0}] * 2 * GROUP)
    assert made.agreement.columns()["engine_gap/mean"] == pytest.approx(0.3)
