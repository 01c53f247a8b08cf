"""A mixture is arithmetic: exact draws in every epoch, no row lost or doubled within a pass, any sample found at once."""

from __future__ import annotations

from collections import Counter
from itertools import accumulate

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lingshu_train.data.order.mixture import Ingredient, Mixture, Wish, draws_for
from lingshu_train.data.order.permutation import Permutation
from lingshu_train.errors import RecipeError

INGREDIENTS = st.lists(
    st.builds(Ingredient, rows=st.integers(1, 40), draws=st.integers(1, 90)), min_size=1, max_size=5
).map(tuple)
MIXTURES = st.builds(Mixture, INGREDIENTS, seed=st.integers(0, 9))


def drawn(mixture: Mixture, start: int, stop: int) -> list[tuple[int, int]]:
    return [mixture.locate(n) for n in range(start, stop)]


@given(
    rows=st.lists(st.integers(1, 50), min_size=1, max_size=5),
    seed=st.integers(0, 99),
    epochs=st.integers(1, 3),
)
@settings(max_examples=60, deadline=None)
def test_ingredients_drawn_once_each_are_permuted_anew_each_epoch_as_their_rows_laid_end_to_end(
    rows: list[int], seed: int, epochs: int
) -> None:
    mixture = Mixture(tuple(Ingredient(rows=count, draws=count) for count in rows), seed)
    starts = list(accumulate(rows, initial=0))
    places = [starts[number] + row for number, row in drawn(mixture, 0, epochs * mixture.size)]
    orders = [Permutation(sum(rows), f"{seed}/{epoch}") for epoch in range(epochs)]
    assert places == [order(position) for order in orders for position in range(sum(rows))]


@given(mixture=MIXTURES, epoch=st.integers(0, 1_000))
@settings(max_examples=60, deadline=None)
def test_every_epoch_has_exactly_the_draws_of_each_ingredient(mixture: Mixture, epoch: int) -> None:
    found = Counter(number for number, _ in drawn(mixture, epoch * mixture.size, (epoch + 1) * mixture.size))
    assert [found[i] for i in range(len(mixture.ingredients))] == [item.draws for item in mixture.ingredients]


@given(mixture=MIXTURES, epoch=st.integers(0, 1_000))
@settings(max_examples=100, deadline=None)
def test_within_an_epoch_no_row_comes_more_than_once_oftener_than_another(
    mixture: Mixture, epoch: int
) -> None:
    found = Counter(drawn(mixture, epoch * mixture.size, (epoch + 1) * mixture.size))
    for number, item in enumerate(mixture.ingredients):
        passes, rest = divmod(item.draws, item.rows)
        times = sorted(found[number, row] for row in range(item.rows))
        assert times == [passes] * (item.rows - rest) + [passes + 1] * rest


@given(mixture=MIXTURES, epoch=st.integers(1, 200))
@settings(max_examples=60, deadline=None)
def test_what_has_come_less_often_up_to_an_epoch_is_what_it_takes_first(mixture: Mixture, epoch: int) -> None:
    """Beyond the whole passes, rows that have come once oftener only where all others are taken."""
    size = mixture.size
    before, now = (
        Counter(drawn(mixture, 0, epoch * size)),
        Counter(drawn(mixture, epoch * size, (epoch + 1) * size)),
    )
    for number, item in enumerate(mixture.ingredients):
        rows = range(item.rows)
        least = min(before[number, row] for row in rows)
        behind = {row for row in rows if before[number, row] == least}
        extra = {row for row in rows if now[number, row] > item.draws // item.rows}
        assert extra <= behind or behind <= extra


@pytest.mark.parametrize("said", [{"repeat": 1.43}, {"limit": 10, "repeat": 2}, {"share": 0.5}])
def test_repeat_limit_and_share_all_come_to_fair_epochs(said: dict[str, float]) -> None:
    """Ten draws of seven rows: four once and three twice in every epoch, and 10 each in seven epochs."""
    draws = draws_for([wish(7, **said), wish(10)])
    assert draws == (10, 10)
    mixture = Mixture((Ingredient(7, draws[0]), Ingredient(10, draws[1])), 0)
    found = Counter[int]()
    for epoch in range(7):
        rows = Counter(row for number, row in drawn(mixture, 20 * epoch, 20 * epoch + 20) if number == 0)
        assert sorted(rows.values()) == [1, 1, 1, 1, 2, 2, 2]
        found += rows
    assert list(found.values()) == [10] * 7


@given(mixture=MIXTURES, epochs=st.integers(1, 5))
@settings(max_examples=60, deadline=None)
def test_after_any_number_of_epochs_no_row_came_more_than_once_oftener_than_another(
    mixture: Mixture, epochs: int
) -> None:
    found = Counter(drawn(mixture, 0, epochs * mixture.size))
    for number, item in enumerate(mixture.ingredients):
        times = [found[number, row] for row in range(item.rows)]
        passes, rest = divmod(epochs * item.draws, item.rows)
        assert sorted(times) == [passes] * (item.rows - rest) + [passes + 1] * rest
    assert found.total() == epochs * mixture.size


@given(
    mixture=MIXTURES,
    numbers=st.lists(st.one_of(st.integers(0, 400), st.integers(0, 10**9)), max_size=60),
)
@settings(max_examples=100, deadline=None)
def test_many_samples_are_located_as_each_alone(mixture: Mixture, numbers: list[int]) -> None:
    found, rows = mixture.locate_many(np.array(numbers, np.int64))
    assert list(zip(found.tolist(), rows.tolist(), strict=True)) == [mixture.locate(n) for n in numbers]


def test_blocks_of_samples_meet_without_a_seam(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lingshu_train.data.order.mixture._BLOCK", 7)
    mixture = Mixture((Ingredient(rows=9, draws=4), Ingredient(rows=5, draws=10)), 1)
    found, rows = mixture.locate_many(np.arange(50))
    assert list(zip(found.tolist(), rows.tolist(), strict=True)) == drawn(mixture, 0, 50)


def test_half_a_pass_takes_the_other_half_in_the_next_epoch() -> None:
    mixture = Mixture((Ingredient(rows=10, draws=5), Ingredient(rows=7, draws=14)), 0)
    halves = [{row for number, row in drawn(mixture, 19 * e, 19 * (e + 1)) if number == 0} for e in range(4)]
    assert halves[0] | halves[1] == halves[2] | halves[3] == set(range(10))
    assert halves[0] != set(range(5))
    assert halves[0] not in (halves[2], halves[3])


def test_seeds_and_epochs_differ_in_order() -> None:
    ingredients = (Ingredient(rows=40, draws=30), Ingredient(rows=40, draws=40))
    orders = {
        tuple(drawn(Mixture(ingredients, seed), 70 * epoch, 70 * (epoch + 1)))
        for seed in range(3)
        for epoch in range(3)
    }
    assert len(orders) == 9


def test_the_draws_of_a_mixture_are_fixed_for_ever() -> None:
    mixture = Mixture((Ingredient(rows=3, draws=3), Ingredient(rows=5, draws=2)), 0)
    assert drawn(mixture, 0, 10) == DRAWN


def wish(rows: int = 100, name: str = "mixture.slake", **said: float) -> Wish:
    return Wish(name=name, rows=rows, **said)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wishes", "draws"),
    [
        ([wish()], (100,)),
        ([wish(), wish(7)], (100, 7)),
        ([wish(repeat=2), wish(repeat=0.5), wish(5, repeat=0.5)], (200, 50, 3)),
        ([wish(limit=30), wish(limit=500), wish(repeat=3, limit=250)], (30, 100, 250)),
        ([wish(300), wish(share=0.25)], (300, 100)),
        ([wish(share=0.1), wish(80), wish(share=0.1)], (10, 80, 10)),
        ([wish(10, share=0.5), wish(20, share=0.5)], (15, 15)),
        ([wish(10, share=0.3), wish(10, share=0.3), wish(11, share=0.4)], (9, 9, 13)),
        ([wish(3, share=0.1)] * 10, (3,) * 10),
        ([wish(1_000_000, repeat=0.1)], (100_000,)),
    ],
)
def test_a_recipe_becomes_draws(wishes: list[Wish], draws: tuple[int, ...]) -> None:
    assert draws_for(wishes) == draws


@given(
    rows=st.lists(st.integers(1, 10**7), min_size=1, max_size=6),
    shares=st.lists(st.integers(1, 150), min_size=1, max_size=6),
)
@settings(max_examples=200, deadline=None)
def test_shares_are_met_to_the_draw(rows: list[int], shares: list[int]) -> None:
    fixed = [Wish(name="fixed", rows=count + 10_000) for count in rows]
    shared = [Wish(name="shared", rows=50, share=share / 1000) for share in shares]
    draws = draws_for([*fixed, *shared])
    assert list(draws[: len(fixed)]) == [item.rows for item in fixed]
    for item, number in zip(shared, draws[len(fixed) :], strict=True):
        assert item.share is not None
        assert abs(number - item.share * sum(draws)) < 1.5


@pytest.mark.parametrize(
    ("wishes", "message"),
    [
        ([wish(0)], "mixture.slake: has no rows"),
        ([wish(repeat=0)], "mixture.slake: repeat 0"),
        ([wish(repeat=-1)], "mixture.slake: repeat -1"),
        ([wish(limit=0)], "mixture.slake: limit 0"),
        ([wish(share=0), wish()], "mixture.slake: share 0 "),
        ([wish(share=1.5), wish()], "mixture.slake: share 1.5"),
        ([wish(share=0.5, repeat=2), wish()], "mixture.slake: has share and repeat"),
        ([wish(share=0.5, limit=2), wish()], "mixture.slake: has share and limit"),
        ([wish(share=0.5), wish(share=0.5), wish(name="mixture.rad")], "mixture.slake: shares add up to 1;"),
        ([wish(share=0.5), wish(share=0.4)], "mixture.slake, mixture.slake: shares add up to 0.9;"),
        ([wish(1, repeat=0.1)], "mixture.slake: comes to no draw"),
        ([wish(10, name="mixture.rad"), wish(share=0.01)], "mixture.slake: comes to no draw"),
    ],
)
def test_a_wish_that_cannot_be_met_names_its_ingredient(wishes: list[Wish], message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        draws_for(wishes)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


DRAWN = [(1, 3), (0, 2), (0, 0), (0, 1), (1, 0), (1, 2), (0, 0), (1, 4), (0, 2), (0, 1)]


@given(mixture=MIXTURES, epoch=st.integers(0, 1_000))
@settings(max_examples=100, deadline=None)
def test_when_a_row_comes_is_found_without_the_order(mixture: Mixture, epoch: int) -> None:
    """The inverse: of every row of an epoch the numbers at which the order itself has it."""
    expected: dict[tuple[int, int], list[int]] = {}
    for n in range(epoch * mixture.size, (epoch + 1) * mixture.size):
        expected.setdefault(mixture.locate(n), []).append(n)
    found: dict[tuple[int, int], list[int]] = {}
    for number, item in enumerate(mixture.ingredients):
        rows = np.arange(item.rows)[::-2]
        which, numbers = mixture.draws_of(number, rows, epoch=epoch)
        for place, n in zip(which, numbers, strict=True):
            found.setdefault((number, int(rows[place])), []).append(int(n))
    assert {key: sorted(numbers) for key, numbers in found.items()} == {
        key: numbers
        for key, numbers in expected.items()
        if key[1] in np.arange(mixture.ingredients[key[0]].rows)[::-2]
    }


@pytest.mark.parametrize("size", [1, 2, 5, 4_096, 4_097, 10_000, 70_001])
def test_a_permutation_turned_round_gives_back_what_went_in(size: int) -> None:
    order = Permutation(size, "key")
    positions = np.arange(size)
    assert order.sources(order.many(positions)).tolist() == positions.tolist()
    with pytest.raises(IndexError, match="outside range"):
        order.sources(np.array([size]))
