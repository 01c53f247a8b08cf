"""GRPO takes the steps that the papers say over the completions it drew: rewards, advantages, log-probabilities, loss, gradient
and weights, through windows of several updates, on one and two ranks.

The oracle trains its own weights from the stage's start; what it takes over are the tokens that were drawn, and which of them
each forward pass had. What a name or a key decides, the tests at the end hold against the rule beside it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import rewarding
import torch
from independent import optimizer, policy
from independent.policy import Rule
from material import Material
from rewarding import GROUP, LAYOUTS, MOST, PROMPTS, UPDATES, Pair

pytestmark = pytest.mark.slow

TOLERANCES = {
    "reward": 1e-12,
    "advantage": 1e-6,
    "old": 1e-5,
    "reference": 1e-5,
    "loss": 1e-6,
    "norm": 3e-5,
    "gradient": 1e-5,
    "weight": 5e-2,
}
"""See `rewarding.apart`; what was measured stands in docs/oracle.md. Of a weight much is allowed: where its gradient is 0 but
for rounding, AdamW moves it by the sign of that."""
OTHERWISE = 1e-3
"""Relative: another rule is at least so far from the package's loss or norm, a hundred times what rounding does."""


Pairs = Callable[[str], Pair]


@pytest.fixture(scope="module")
def pairs(given: Material, shared: Path) -> Pairs:
    return cache(lambda layout: rewarding.pair(layout, given, shared))


@pytest.fixture(scope="module", params=list(LAYOUTS))
def pair(request: pytest.FixtureRequest, pairs: Pairs) -> Pair:
    return pairs(request.param)


def test_rewards_losses_gradients_and_weights_are_those_of_the_formulas(pair: Pair) -> None:
    found = rewarding.apart(pair)
    assert {name: value for name, value in found.items() if value > TOLERANCES[name]} == {}
    assert ("reference" in found) == bool(pair.rule.kl)


def test_every_completion_of_a_window_is_used_once(pair: Pair) -> None:
    for window in pair.windows:
        assert sorted(n for update in window.updates for n in update) == list(range(GROUP * PROMPTS))
        assert {len(update) for update in window.updates} == {GROUP * PROMPTS // UPDATES}
        assert set(Counter(window.rows).values()) == {GROUP}


def test_there_was_something_to_compare(pair: Pair) -> None:
    assert max(step.norm for step in pair.steps) > MOST, "the bound on the norm is to be seen at work"
    assert any(line["clipped"] for line in pair.run.ledger), "so are the bounds on the ratio"
    (first, *_), lengths = pair.windows, {one.tokens for one in pair.windows[0].completions}
    assert len(lengths) > 2
    assert len({one.advantage for one in first.completions}) > 5
    assert {one["accuracy"] for one in first.own_rewards} == {0.0, 1.0}
    for name, value in pair.end.items():
        assert (value - pair.start[name]).abs().max() > 0, name


def test_what_is_unscored_moves_nothing_and_counts_in_no_mean(pairs: Pairs) -> None:
    (window,) = pairs("grpo, some unscored").windows
    unscored = [n for n, value in enumerate(window.rewards) if value is None]
    assert 3 < len(unscored) < len(window.rewards) - 3
    assert {window.advantages[n] for n in unscored} == {0.0}


# What a loss's name or a recipe's key decides, and how far off another rule would be.


def differs(given: Material, pair: Pair, rule: Rule, *, scaled: bool = True) -> float:
    """How far another rule's gradient norms are from the package's, relative, at the step where they are farthest."""
    drawn = pair.windows[:1] if scaled else [_scaled(pair.windows[0])]
    _, steps, *_ = rewarding.own_way(given, drawn, rule)
    return max(
        abs(step.norm / line["grad_norm"] - 1) for step, line in zip(steps, pair.run.ledger, strict=False)
    )


def _scaled(window: rewarding.Window) -> rewarding.Window:
    found = list(window.completions)
    for row in set(window.rows):
        members = [n for n, other in enumerate(window.rows) if other == row]
        gains = policy.advantages([window.rewards[n] for n in members])
        for n, gain in zip(members, gains, strict=True):
            found[n] = replace(found[n], advantage=gain)
    return replace(window, completions=found)


def test_dr_grpo_leaves_the_spread_of_a_group_out(given: Material, pairs: Pairs) -> None:
    pair = pairs("dr_grpo, weighted KL")
    assert differs(given, pair, pair.rule) < TOLERANCES["norm"]
    assert differs(given, pair, pair.rule, scaled=False) > OTHERWISE


@pytest.mark.parametrize("layout", ["bnpo", "dapo, two ranks"])
def test_means_over_tokens_are_over_those_of_an_update(layout: str, given: Material, pairs: Pairs) -> None:
    """Whatever forward passes and ranks it was divided among."""
    pair = pairs(layout)
    assert differs(given, pair, pair.rule) < TOLERANCES["norm"]
    assert differs(given, pair, replace(pair.rule, loss="by the passes' tokens")) > OTHERWISE


@pytest.mark.parametrize("layout", ["grpo", "dr_grpo, weighted KL"])
def test_the_divergence_from_the_reference_is_weighted_by_the_ratio_where_the_recipe_says_so(
    layout: str, given: Material, pairs: Pairs
) -> None:
    pair = pairs(layout)
    assert pair.rule.kl_weighted == (layout != "grpo")
    assert differs(given, pair, pair.rule) < TOLERANCES["norm"]
    assert differs(given, pair, replace(pair.rule, kl_weighted=not pair.rule.kl_weighted)) > OTHERWISE


@pytest.mark.parametrize("layout", ["grpo, two ranks", "bnpo"])
def test_an_update_has_all_completions_of_its_prompts(layout: str, pairs: Pairs) -> None:
    for window in pairs(layout).windows:
        for update in window.updates:
            assert set(Counter(window.rows[n] for n in update).values()) == {GROUP}


def test_an_update_of_completions_has_them_of_most_prompts(pairs: Pairs) -> None:
    for window in pairs("grpo").windows:
        assert all(len({window.rows[n] for n in update}) > PROMPTS // UPDATES for update in window.updates)


def test_the_oracles_clipping_is_no_rescaling_of_small_gradients() -> None:
    small = {"a": torch.tensor([0.3, 0.4])}
    assert optimizer.norm(small) == pytest.approx(0.5)
    assert torch.equal(optimizer.clipped(small, 1.0)["a"], small["a"])
    assert optimizer.norm(optimizer.clipped(small, 0.25)) == pytest.approx(0.25)
