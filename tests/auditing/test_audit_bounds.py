"""The bounds on the rate of false answers hold at all times, and a reward that turns false late is found."""

from __future__ import annotations

import numpy as np

from lingshu_train.auditing import sequence
from lingshu_train.auditing.choice import Audit
from lingshu_train.auditing.sequence import Window

RUNS, WINDOWS, EACH = 120, 40, 8


def drawn(rng: np.random.Generator, rates: list[float]) -> list[Window]:
    """Each window's audits without replacement, of 64 accepted answers."""
    return [Window(EACH, float(rng.hypergeometric(round(64 * p), 64 - round(64 * p), EACH))) for p in rates]


def true(rates: list[float]) -> list[float]:
    return [round(64 * p) / 64 for p in rates]


def test_both_bounds_hold_at_all_times_in_more_runs_than_the_confidence_says() -> None:
    rng = np.random.default_rng(0)
    missed = {"steady": 0, "drifting": 0}
    for name, rates in (("steady", [0.1] * WINDOWS), ("drifting", list(np.linspace(0.02, 0.3, WINDOWS)))):
        real = true(rates)
        for _ in range(RUNS):
            windows = drawn(rng, rates)
            parts = [windows[: n + 1] for n in range(WINDOWS)]
            high = any(sequence.upper(part, 0.9) < np.mean(real[: len(part)]) for part in parts)
            low = any(sequence.lower(part, 0.9) > max(real[: len(part)]) for part in parts)
            missed[name] += high + low
    # Two bounds, each missed in at most a tenth of all runs.
    assert all(count <= 0.2 * RUNS for count in missed.values()), missed


def test_a_reward_that_turns_false_after_many_clean_windows_is_found_within_two() -> None:
    clean = [Window(8, 0.0)] * 200
    assert sequence.lower(clean, 0.95) == 0.0
    assert sequence.lower([*clean, Window(8, 6.0), Window(8, 7.0)], 0.95) > 0.15
    assert sequence.upper([*clean, Window(8, 6.0), Window(8, 7.0)], 0.95) < 0.03, (
        "the mean of all is still low"
    )


def test_the_upper_bound_counts_once_a_good_reward_could_be_within_the_limit() -> None:
    block = Audit(limit=0.1)
    assert sequence.upper([Window(block.first, 0.05 * block.first)], 0.95) <= 0.1
    assert sequence.upper([Window(block.first - 1, 0.05 * (block.first - 1))], 0.95) > 0.1
    assert not block.passed([Window(block.first - 1, 0.09 * block.first)])
    assert "at most" in block.passed([Window(block.first, 0.09 * block.first)])
    assert not Audit(limit=0.1, bound="lower").passed([Window(block.first, 0.09 * block.first)])
    assert "above" in Audit(limit=0.1, bound="lower").passed([Window(20, 12.0)])


def test_no_audit_says_nothing() -> None:
    assert sequence.upper([], 0.95) == 1.0
    assert sequence.lower([], 0.95) == 0.0
    assert sequence.lower([Window(4, 4.0)], 0.95) <= 1.0 == sequence.upper([Window(4, 4.0)], 0.95)
