"""A preference for a place among the options is found, and none is found where a model chooses by content."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from lingshu_train.metrics._holm import holm
from lingshu_train.metrics._positions import places


def test_a_model_that_likes_the_third_place_is_caught_at_that_place() -> None:
    draw = random.Random(0)
    chosen = Counter(2 if draw.random() < 0.2 else draw.randrange(4) for _ in range(1000))
    found = places({4: chosen})
    assert sum(one.chosen for one in found.values()) == 1000
    assert found[2].holds and found[2].p < 0.001
    assert found[2].expected == 250


def test_choosing_by_content_is_called_biased_in_at_most_a_twentieth_of_all_models() -> None:
    draw = random.Random(1)
    caught = 0
    for seed in range(100):
        four = Counter(draw.randrange(4) for _ in range(120))
        two = Counter(draw.randrange(2) for _ in range(30))
        caught += any(one.holds for one in places({4: four, 2: two}, seed=seed).values())
    assert caught <= 11, "five of a hundred are expected; twelve or more have a chance below half a percent"


def test_questions_with_few_options_count_for_the_places_that_they_have() -> None:
    found = places({2: Counter({0: 10, 1: 10}), 4: Counter({0: 5, 1: 5, 2: 5, 3: 5})})
    assert [one.expected for one in found.values()] == [15, 15, 5, 5]
    assert all(one.p == pytest.approx(1.0) for one in found.values())
    assert places({}) == places({3: Counter()}) == {}


def test_holm_stops_at_the_first_that_fails() -> None:
    assert holm({"a": 0.01, "b": 0.04, "c": 0.03}) == {"a"}
    assert holm({"a": 0.01, "b": 0.024, "c": 0.04}) == {"a", "b", "c"}
