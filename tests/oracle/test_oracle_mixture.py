"""The order of rows: exact draws, exact shares, nothing drawn more than once oftener than another, and shuffles without bias."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
import tiny
from independent import chances
from material import Material

from lingshu_train.data.order.mix import Mix
from lingshu_train.data.order.mixture import Ingredient, Mixture
from lingshu_train.data.order.permutation import Permutation
from lingshu_train.model.settings import Settings
from lingshu_train.training.feed import Rows
from lingshu_train.training.limit import Limit

TOO_RARE = 1e-3
"""Of a p value; orders hang on the seed alone, so that a test that passes passes again."""
EPOCHS = 12

SIZES = {
    "whole passes": [(11, 11), (22, 22), (77, 77)],
    "twice and once": [(10, 20), (31, 31)],
    "parts of a pass": [(7, 10), (30, 12), (5, 1)],
}


@pytest.fixture(params=list(SIZES))
def parts(request: pytest.FixtureRequest) -> list[tuple[int, int]]:
    return SIZES[request.param]


@pytest.mark.parametrize("seed", [0, 1, 17])
def test_every_epoch_has_the_draws_it_says_and_evenly(parts: list[tuple[int, int]], seed: int) -> None:
    mixture = Mixture(tuple(Ingredient(rows=rows, draws=draws) for rows, draws in parts), seed)
    size = sum(draws for _, draws in parts)
    assert mixture.size == size
    since: Counter[tuple[int, int]] = Counter()
    for epoch in range(EPOCHS):
        numbers = np.arange(epoch * size, (epoch + 1) * size)
        found = [mixture.locate(int(n)) for n in numbers]
        many = mixture.locate_many(numbers)
        assert found == list(zip(*(column.tolist() for column in many), strict=True))
        seen = Counter(found)
        since.update(seen)
        for counts in (seen, since):
            for ingredient, (rows, draws) in enumerate(parts):
                times = [counts[ingredient, row] for row in range(rows)]
                assert sum(times) == draws * (1 if counts is seen else epoch + 1)
                assert max(times) - min(times) <= 1


def test_epochs_and_seeds_have_orders_of_their_own() -> None:
    """The place of a row in one epoch says nothing of its place in another: rank correlations like chance."""
    size = 500

    def places(seed: int, epoch: int) -> np.ndarray:
        mixture = Mixture((Ingredient(rows=size, draws=size),), seed)
        return np.argsort([mixture.locate(epoch * size + n)[1] for n in range(size)])

    orders = [places(seed, epoch) for seed in range(4) for epoch in range(4)]
    found = np.corrcoef(orders)[np.triu_indices(len(orders), 1)]
    assert np.abs(found).max() < 4.5 / size**0.5
    assert abs(found.mean()) < 4 / (len(found) * size) ** 0.5


@pytest.mark.parametrize("size", [2, 3, 4, 5])
def test_every_order_of_few_rows_comes_equally_often(size: int) -> None:
    keys = 12_000
    found = Counter(
        tuple(Permutation(size, f"{key}/0").many(np.arange(size)).tolist()) for key in range(keys)
    )
    counts = np.array([found[one] for one in permutations(range(size))])
    assert counts.sum() == keys
    assert chances.agreement(counts, np.full(len(counts), 1 / len(counts))) > TOO_RARE


@pytest.mark.parametrize("size", [17, 40, 64])
def test_every_place_of_a_row_comes_equally_often(size: int) -> None:
    """And so does every distance between neighbours."""
    keys = 6000
    found = np.stack([Permutation(size, f"{key}/0").many(np.arange(size)) for key in range(keys)])
    even = np.full(size, 1 / size)
    values = [chances.agreement(np.bincount(found[:, row], minlength=size), even) for row in range(size)]
    assert min(values) > TOO_RARE / size
    apart = np.bincount((found[:, 1] - found[:, 0]) % size, minlength=size)[1:]
    assert chances.agreement(apart, np.full(size - 1, 1 / (size - 1))) > TOO_RARE


WISHES = {
    "shares": ([{"share": 0.1}, {"share": 0.9}], lambda a, b: (Fraction(1, 10), Fraction(9, 10))),
    "a share beside a pass": ([{}, {"share": 0.25}], lambda a, b: (Fraction(3, 4), Fraction(1, 4))),
    "repeat and limit": ([{"repeat": 2}, {"limit": 9}], lambda a, b: (Fraction(2 * a, 2 * a + 9), None)),
}


@pytest.mark.parametrize("name", list(WISHES))
def test_a_stages_rows_come_in_the_shares_of_its_recipe(name: str, given: Material, tmp_path: Path) -> None:
    """Over epochs of a real stage's rows: shares to one draw, and in an epoch no row comes more than once oftener than another."""
    wishes, shares = WISHES[name]
    mixture = [Mix(corpus=corpus, **wish) for corpus, wish in zip(("mixed", "short"), wishes, strict=True)]
    rows = Rows(
        given.stage(tmp_path / "sft", tiny.sft()),
        mixture,
        source=str(given.root / "base" / "model"),
        wanted=Settings.model_validate(tiny.MODEL),
        limit=Limit(tokens=9999, completion=True, most=0.0),
    )
    sizes = [len(given.rows(corpus)) for corpus in ("mixed", "short")]
    assert sizes == [60, 32]
    for epoch in range(3):
        found = rows.rows(epoch * len(rows), (epoch + 1) * len(rows))
        drawn = [
            np.bincount(part, minlength=size)
            for part, size in zip(_divided(found, sizes), sizes, strict=True)
        ]
        for share, times in zip(shares(*sizes), drawn, strict=True):
            assert share is None or abs(times.sum() - share * len(rows)) < 1
            assert times.max() - times.min() <= 1
        assert all(rows.row(epoch * len(rows) + n) == row for n, row in enumerate(found[:20]))


def _divided(found: np.ndarray, sizes: list[int]) -> tuple[np.ndarray, np.ndarray]:
    return found[found < sizes[0]], found[found >= sizes[0]] - sizes[0]
