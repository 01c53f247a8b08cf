"""The order of pairs: both halves side by side, each as often as the mixture says, and the same told backwards."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from lingshu_train.data.order.mixture import Ingredient, Mixture
from lingshu_train.data.order.pairs import Incomplete, Paired, Units, units

NAMES = ["a", "", "b", "a", "", "", "c", "b", "c", "", ""]


def made(*parts: Units, draws: tuple[int, ...] = (), seed: int = 3) -> Paired:
    numbers = draws or tuple(map(len, parts))
    ingredients = tuple(Ingredient(len(one), count) for one, count in zip(parts, numbers, strict=True))
    return Paired(Mixture(ingredients, seed), parts)


def test_halves_are_units_and_so_are_two_rows_of_no_pair_each() -> None:
    assert units(NAMES).tolist() == [[0, 3], [1, 4], [2, 7], [5, 9], [6, 8]]
    assert units([]).shape == (0, 2)


@pytest.mark.parametrize(("names", "rows"), [(["a", "b", "b"], 1), (["a", "a", "a"], 3)])
def test_a_pair_that_is_not_two_rows_is_named(names: list[str], rows: int) -> None:
    with pytest.raises(Incomplete) as caught:
        units(names)
    assert (caught.value.name, caught.value.rows) == ("a", rows)


def test_windows_of_even_size_hold_whole_units_and_an_epoch_each_row_once() -> None:
    order = made(units(NAMES), units(["x", "x", "y", "y"]))
    assert order.size == 14
    for epoch in range(3):
        found = [order.locate(epoch * 14 + n) for n in range(14)]
        assert Counter(found) == Counter([(0, n) for n in range(10)] + [(1, n) for n in range(4)])
        for first in range(0, 14, 2):
            (number, one), (same, other) = found[first : first + 2]
            assert number == same and [one, other] in order.units[number].tolist()


def test_another_epoch_and_another_seed_have_another_order() -> None:
    parts = units([str(n // 2) for n in range(40)])
    orders = [
        [made(parts, seed=seed).locate(n)[1] for n in range(start, start + 40)]
        for seed, start in ((1, 0), (1, 40), (2, 0))
    ]
    assert len({tuple(one) for one in orders}) == 3


@pytest.mark.parametrize("draws", [(), (7, 1), (10, 3)])
def test_many_at_once_and_backwards_are_the_same_order(draws: tuple[int, ...]) -> None:
    order = made(units(NAMES), units(["x", "x", "y", "y"]), draws=draws)
    numbers = np.arange(4 * order.size)
    found, rows = order.locate_many(numbers)
    assert [(int(a), int(b)) for a, b in zip(found, rows, strict=True)] == [
        order.locate(int(n)) for n in numbers
    ]
    for number, every in ((0, np.arange(11)), (1, np.array([1, 2]))):
        for epoch in range(4):
            which, samples = order.draws_of(number, every, epoch=epoch)
            wanted = [
                (int(row), n)
                for n in range(epoch * order.size, (epoch + 1) * order.size)
                for own, row in [order.locate(n)]
                if own == number and row in every
            ]
            assert sorted((int(every[w]), int(n)) for w, n in zip(which, samples, strict=True)) == sorted(
                wanted
            )
