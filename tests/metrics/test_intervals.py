"""Confidence intervals against published values and against exact coverage."""

from __future__ import annotations

import itertools
import math

import pytest

from lingshu_train.metrics._intervals import difference, paired_difference, wilson


@pytest.mark.parametrize(
    ("right", "n", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_gives_the_values_of_newcombe_1998_table_1(
    right: int, n: int, low: float, high: float
) -> None:
    found = wilson(right, n)
    assert (round(found.low, 4), round(found.high, 4)) == (low, high)


@pytest.mark.parametrize(
    ("counts", "low", "high"),
    [
        ((56, 70, 48, 80), 0.0524, 0.3339),
        ((9, 10, 3, 10), 0.1705, 0.8090),
        ((6, 7, 2, 7), 0.0582, 0.8062),
        ((5, 56, 0, 29), -0.0381, 0.1926),
        ((0, 10, 0, 20), -0.1611, 0.2775),
        ((10, 10, 0, 20), 0.6791, 1.0),
    ],
)
def test_the_difference_of_two_samples_has_the_values_of_newcombe_1998_method_10(
    counts: tuple[int, int, int, int], low: float, high: float
) -> None:
    found = difference(*counts)
    assert (round(found.low, 4), round(found.high, 4)) == (low, high)


def test_a_difference_to_nothing_is_not_known() -> None:
    found = difference(3, 4, 0, 0)
    assert math.isnan(found.value) and (found.low, found.high) == (-1.0, 1.0)


def test_wilson_of_nothing_knows_nothing() -> None:
    found = wilson(0, 0)
    assert math.isnan(found.value)
    assert (found.low, found.high) == (0.0, 1.0)


def test_all_right_has_an_upper_bound_of_exactly_one() -> None:
    assert wilson(7, 7).high == 1.0
    assert wilson(7, 7).low < 1.0


def test_more_right_than_asked_is_refused() -> None:
    with pytest.raises(ValueError, match="5 right of 4"):
        wilson(5, 4)


def answers(both: int, gained: int, lost: int, neither: int) -> tuple[list[bool], list[bool]]:
    after = [True] * (both + gained) + [False] * (lost + neither)
    before = [True] * both + [False] * gained + [True] * lost + [False] * neither
    return after, before


@pytest.mark.parametrize(
    "cells",
    [(0.6, 0.2, 0.1, 0.1), (0.45, 0.05, 0.05, 0.45), (0.25, 0.25, 0.25, 0.25), (0.8, 0.15, 0.04, 0.01)],
)
def test_the_paired_interval_covers_the_truth_at_least_nearly_95_times_in_100(
    cells: tuple[float, ...],
) -> None:
    n, covered, truth = 24, 0.0, cells[1] - cells[2]
    for both, gained, lost in itertools.product(range(n + 1), repeat=3):
        neither = n - both - gained - lost
        if neither < 0:
            continue
        counts = (both, gained, lost, neither)
        ways = math.factorial(n) / math.prod(math.factorial(count) for count in counts)
        chance = ways * math.prod(p**count for p, count in zip(cells, counts, strict=True))
        if chance > 1e-9:
            found = paired_difference(*answers(*counts))
            covered += chance * (found.low <= truth <= found.high)
    assert covered > 0.94


def test_swapping_the_models_turns_the_interval_round() -> None:
    after, before = answers(40, 9, 3, 12)
    forward, back = paired_difference(after, before), paired_difference(before, after)
    assert forward.value == -back.value == pytest.approx(6 / 64)
    assert (forward.low, forward.high) == pytest.approx((-back.high, -back.low))


def test_pairing_makes_the_interval_narrower_than_two_separate_samples() -> None:
    agreeing = paired_difference(*answers(60, 11, 1, 28))
    unrelated = paired_difference(*answers(42, 29, 19, 10))
    assert agreeing.value == pytest.approx(unrelated.value)
    assert agreeing.high - agreeing.low < 0.6 * (unrelated.high - unrelated.low)
    assert agreeing.excludes_zero is True
    assert unrelated.excludes_zero is False


def test_identical_answers_differ_by_zero_within_bounds_around_it() -> None:
    found = paired_difference(*answers(30, 0, 0, 10))
    assert found.value == 0.0
    assert found.low < 0.0 < found.high


def test_answers_of_unequal_length_are_not_paired() -> None:
    with pytest.raises(ValueError, match="2 answers after, 1 before"):
        paired_difference([True, False], [True])
