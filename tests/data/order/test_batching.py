"""Samples are dealt to the batches of their step by length: none is lost, little is filled up, no batch has much more."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from lingshu_train.data.order import batching

Deal = Callable[..., NDArray[np.int64]]
DEALS = (batching.alike, batching.even)


def batches(lengths: Any, deal: Deal, *, per_batch: int, ranks: int = 1) -> NDArray[np.int64]:
    """Lengths in the order of the loader, a line a batch."""
    given_ = np.asarray(lengths)
    return given_[deal(given_, per_batch=per_batch, ranks=ranks)].reshape(-1, per_batch)


def filled(rows: NDArray[np.int64]) -> int:
    """Places of padded batches, filling included."""
    return int((rows.max(axis=1) * rows.shape[1]).sum())


@pytest.mark.parametrize("deal", DEALS)
@given(
    lengths=st.lists(st.integers(0, 9000), min_size=12, max_size=12),
    shape=st.sampled_from([(1, 2), (3, 2), (4, 3)]),
)
def test_every_sample_of_a_step_is_in_one_batch(
    deal: Deal, lengths: list[int], shape: tuple[int, int]
) -> None:
    per_batch, ranks = shape
    places = deal(np.asarray(lengths), per_batch=per_batch, ranks=ranks)
    assert sorted(places.tolist()) == list(range(12))


@given(lengths=st.lists(st.integers(1, 9000), min_size=16, max_size=16))
def test_alike_lengths_never_fill_more_than_any_other_dealing(lengths: list[int]) -> None:
    best = filled(batches(lengths, batching.alike, per_batch=4))
    draw = np.random.default_rng(len(set(lengths)))
    assert best <= min(filled(draw.permutation(lengths).reshape(-1, 4)) for _ in range(20))


def test_the_rank_with_most_work_has_less_than_by_chance() -> None:
    for seed in range(6):
        lengths = np.random.default_rng(seed).lognormal(6, 0.8, 64).astype(np.int64)
        for deal, work, gain in ((batching.alike, filled, 0.9), (batching.even, np.sum, 1.0)):
            ours, chance = (
                max(work(some.reshape(-1, 4, 4)[:, rank]) for rank in range(4))
                for some in (batches(lengths, deal, per_batch=4, ranks=4), lengths)
            )
            assert ours < gain * chance


def test_even_batches_have_hardly_more_than_the_mean_where_chance_has_twice_as_much() -> None:
    lengths = np.random.default_rng(1).lognormal(6, 0.8, 64).astype(np.int64)
    rows = batches(lengths, batching.even, per_batch=8, ranks=2).sum(axis=1)
    assert rows.max() <= 1.05 * max(rows.mean(), lengths.max())
    assert lengths.reshape(-1, 8).sum(axis=1).max() > 1.3 * rows.mean()


@pytest.mark.parametrize("deal", DEALS)
def test_samples_of_one_length_stay_in_the_order_of_the_mixture(deal: Deal) -> None:
    same = deal(np.full(8, 7), per_batch=8, ranks=1)
    assert same.tolist() == list(range(8))
