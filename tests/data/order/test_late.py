"""Rows of patients who consented recently come last in the first epoch: a shuffle still, which can be turned round."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lingshu_train.data.order import packing
from lingshu_train.data.order.late import LateLast
from lingshu_train.data.order.mixture import Ingredient, Mixture


@st.composite
def mixtures(draw: st.DrawFn) -> Mixture:
    parts = draw(
        st.lists(st.tuples(st.integers(1, 30), st.integers(1, 70)), min_size=1, max_size=4), label="parts"
    )
    late = tuple(np.array(sorted(draw(st.sets(st.integers(0, rows - 1)))), np.int64) for rows, _ in parts)
    made = tuple(Ingredient(rows=rows, draws=draws) for rows, draws in parts)
    return Mixture(made, draw(st.integers(0, 9)), late)


@given(mixture=mixtures())
@settings(max_examples=120, deadline=None)
def test_late_rows_are_the_last_of_the_first_epoch_and_every_row_comes_as_often_as_without(
    mixture: Mixture,
) -> None:
    plain = Mixture(mixture.ingredients, mixture.seed)
    drawn = [mixture.locate(n) for n in range(mixture.size)]
    assert Counter(drawn) == Counter(plain.locate(n) for n in range(mixture.size))
    late = [row in mixture.late[number] for number, row in drawn]
    assert late == sorted(late)
    assert late.count(False) == mixture.border


@given(mixture=mixtures(), epoch=st.integers(1, 50))
@settings(max_examples=60, deadline=None)
def test_later_epochs_are_those_of_the_mixture_without_late_rows(mixture: Mixture, epoch: int) -> None:
    plain = Mixture(mixture.ingredients, mixture.seed)
    numbers = np.arange(epoch * mixture.size, (epoch + 1) * mixture.size)
    for one, other in zip(mixture.locate_many(numbers), plain.locate_many(numbers), strict=True):
        assert one.tolist() == other.tolist()


@given(mixture=mixtures())
@settings(max_examples=60, deadline=None)
def test_many_are_located_as_one_by_one_and_the_order_is_turned_round(mixture: Mixture) -> None:
    numbers = np.arange(3 * mixture.size)
    found, rows = mixture.locate_many(numbers)
    assert list(zip(found.tolist(), rows.tolist(), strict=True)) == [mixture.locate(n) for n in numbers]
    for number, item in enumerate(mixture.ingredients):
        asked = np.arange(item.rows)
        for epoch in range(3):
            which, when = mixture.draws_of(number, asked, epoch=epoch)
            assert [mixture.locate(int(n)) for n in when] == [(number, int(asked[one])) for one in which]


@pytest.mark.parametrize("count", [1, 5_000, 9_999, 10_000])
def test_beyond_a_plain_shuffle_too(count: int) -> None:
    late = np.sort(np.random.default_rng(0).permutation(10_000)[:count])
    order = LateLast(10_000, late, "key")
    slots = order.many(np.arange(10_000))
    assert sorted(slots.tolist()) == list(range(10_000))
    assert set(slots[order.border :].tolist()) == set(late.tolist())
    assert order.sources(slots).tolist() == list(range(10_000))


def test_each_part_is_shuffled_and_the_seed_decides() -> None:
    orders = [
        tuple(LateLast(6, np.array([1, 4]), str(seed)).many(np.arange(6)).tolist()) for seed in range(400)
    ]
    # 4! orders of the early slots times 2 of the late ones.
    assert len(set(orders)) == 48
    counts = Counter(order[4:] for order in orders)
    assert set(counts) == {(1, 4), (4, 1)} and min(counts.values()) > 150


def test_no_pack_has_rows_of_both_sides_of_the_border() -> None:
    lengths = np.random.default_rng(1).integers(1, 40, 300)
    packs = packing.plan(lengths, tokens=64, window=90, border=217)
    sides = [set((packs[number] >= 217).tolist()) for number in range(len(packs))]
    assert all(len(side) == 1 for side in sides)
    assert [side.pop() for side in sides] == sorted(
        bool(packs[number][0] >= 217) for number in range(len(packs))
    )
    assert sorted(packs.order.tolist()) == list(range(300))
    plain = packing.plan(lengths, tokens=64, window=90)
    whole = packing.plan(lengths, tokens=64, window=90, border=300)
    assert plain.order.tolist() == whole.order.tolist() and plain.offsets.tolist() == whole.offsets.tolist()
