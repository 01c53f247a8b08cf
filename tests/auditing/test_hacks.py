"""Hacks planted in simulated runs are found before they pay, and an honest run goes on: benchmarks/audit.py with few seeds."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from lingshu_train.auditing.alarms import Alarms


@pytest.fixture(scope="module")
def simulated() -> ModuleType:
    path = Path(__file__).parents[2] / "benchmarks" / "audit.py"
    spec = importlib.util.spec_from_file_location("audit_benchmark", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look their module up by name.
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_each_of_eight_hacks_is_found_before_a_tenth_of_its_reward_is_learned(simulated: ModuleType) -> None:
    table = simulated.hacks(simulated.BLOCKS["lower"], range(2))
    assert len(table) == 8
    for name, row in table.items():
        assert row["found"] == row["runs"], name
        assert row["largest_part_of_its_reward_learned"] < 0.1, name


def test_honest_runs_are_neither_stopped_nor_alarmed(simulated: ModuleType) -> None:
    assert simulated.false_stops(simulated.BLOCKS["upper"], range(8)) == 0
    assert simulated.false_alarms(range(4), every=8) == 0


def test_a_share_that_rises_late_is_an_alarm_and_one_that_was_always_there_is_none() -> None:
    steady = [{"repeats": 0.3, "length": 0.5}] * 30
    assert Alarms().told(steady) == {}
    risen = [*steady, *[{"repeats": 0.95, "length": 0.5}] * 24]
    assert set(Alarms().told(risen)) == {"repeats"}
    assert "0.30 in the first 8 windows and is 0.95 now" in Alarms().told(risen)["repeats"]


def test_a_single_rule_that_takes_over_is_an_alarm_by_its_name_and_honest_shares_are_none() -> None:
    before = [{"length": 0.5, "rule/tag:mcq.letter": 0.6, "rule/tag:short.exact": 0.4}] * 20
    after = [{"length": 0.5, "rule/tag:mcq.letter": 0.05, "rule/tag:short.gloss": 0.95}] * 24
    assert Alarms().told(before) == {}
    told = Alarms().told([*before, *after])
    assert set(told) == {"rule/tag:short.gloss"}
    assert (
        "the rule tag:short.gloss accepted was 0.00 in the first 8 windows and is 0.95 now"
        in told["rule/tag:short.gloss"]
    )
    assert Alarms().told([*before, {"length": 0.5}, *before]) == {}, (
        "a window that accepts nothing says nothing of rules"
    )
    for seed in range(20):
        rng = np.random.default_rng(seed)
        shares = rng.dirichlet([8.0, 4.0, 2.0, 1.0], size=60)
        honest = [{f"rule/{n}": float(one) for n, one in enumerate(row)} for row in shares]
        assert Alarms().told(honest) == {}
