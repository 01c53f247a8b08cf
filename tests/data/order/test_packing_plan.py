"""Packs: every row in one, no budget broken, nearly full, the same everywhere; dealt so that ranks work alike."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lingshu_train.data.order.packing import Packs, deal, plan

IMAGE_TOKENS = (81, 121, 169, 256, 324, 400, 529, 729, 1024, 1280)


def mixture_of_the_paper(rows: int, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Lengths and patches: 35 % text, 50 % one image with an answer, 15 % reasoning; at most 1,003,520 pixels an image."""
    rng = np.random.default_rng(seed)
    kind = rng.choice(3, rows, p=[0.35, 0.5, 0.15])
    image = rng.choice(IMAGE_TOKENS, rows)
    text = np.select(
        [kind == 0, kind == 1],
        [rng.lognormal(5.9, 0.9, rows), rng.lognormal(4.6, 0.9, rows)],
        rng.lognormal(7, 0.6, rows),
    )
    lengths = np.where(kind == 1, image, 0) + text.astype(np.int64) + 16
    return np.minimum(lengths, 8192), np.where(kind == 1, 4 * image, 0)


def first_fit_decreasing(lengths: list[int], tokens: int) -> set[frozenset[int]]:
    """The textbook: rows from the longest down, each into the first pack with room for it."""
    packs: list[list[int]] = []
    for row in sorted(range(len(lengths)), key=lambda i: (lengths[i], i), reverse=True):
        for pack in packs:
            if sum(lengths[i] for i in [*pack, row]) <= tokens:
                pack.append(row)
                break
        else:
            packs.append([row])
    return {frozenset(pack) for pack in packs}


def one_by_one(lengths: list[int], patches: list[int], tokens: int, room: int) -> set[frozenset[int]]:
    """The rule under a patch budget, by looking through all rows for each place."""
    left, packs = set(range(len(lengths))), set()
    while left:
        pack: list[int] = []
        aim = 2 * 1.25 * sum(patches[i] for i in left) / sum(lengths[i] for i in left)
        while True:
            used, seen = sum(lengths[i] for i in pack), sum(patches[i] for i in pack)
            fit = [
                i for i in left.difference(pack) if used + lengths[i] <= tokens and seen + patches[i] <= room
            ]
            text = max((i for i in fit if not patches[i]), key=lambda i: (lengths[i], i), default=None)
            image = max(
                (i for i in fit if patches[i]), key=lambda i: (patches[i], lengths[i], i), default=None
            )
            if text is None and image is None:
                break
            behind = image is not None and (2 * seen + patches[image]) / aim <= used + lengths[image]
            pack.append(image if image is not None and (text is None or behind) else text)  # type: ignore[arg-type]
        packs.add(frozenset(pack))
        left -= set(pack)
    return packs


ROWS = st.lists(st.tuples(st.integers(1, 30), st.integers(0, 20)), min_size=1, max_size=60)


def found(packs: Packs) -> set[frozenset[int]]:
    return {frozenset(packs[k].tolist()) for k in range(len(packs))}


@given(rows=ROWS)
@settings(max_examples=150, deadline=None)
def test_without_a_patch_budget_rows_are_packed_as_first_fit_decreasing_does(
    rows: list[tuple[int, int]],
) -> None:
    lengths = [length for length, _ in rows]
    assert found(plan(np.array(lengths), tokens=30)) == first_fit_decreasing(lengths, 30)


@given(rows=ROWS, room=st.integers(20, 60), text=st.integers(0, 20))
@settings(max_examples=300, deadline=None)
def test_under_a_patch_budget_packs_keep_to_the_mixture_s_ratio(
    rows: list[tuple[int, int]], room: int, text: int
) -> None:
    lengths, patches = [length for length, _ in rows], [max(seen - text, 0) for _, seen in rows]
    packs = plan(np.array(lengths), np.array(patches), tokens=30, most_patches=room)
    assert packs.sums(np.array(lengths)).max() <= 30
    assert packs.sums(np.array(patches)).max() <= room
    assert found(packs) == one_by_one(lengths, patches, 30, room)


@given(rows=ROWS, window=st.integers(1, 70))
@settings(max_examples=100, deadline=None)
def test_every_row_is_in_one_pack_and_packs_keep_to_their_window_and_their_order(
    rows: list[tuple[int, int]], window: int
) -> None:
    lengths = np.array([length for length, _ in rows])
    packs = plan(lengths, tokens=30, window=window)
    assert sorted(packs.order.tolist()) == list(range(len(rows)))
    assert packs.sums(lengths).max() <= 30
    windows = [set((packs[k] // window).tolist()) for k in range(len(packs))]
    assert all(len(window) == 1 for window in windows)
    assert [min(window) for window in windows] == sorted(min(window) for window in windows)
    assert all(packs[k].tolist() == sorted(packs[k].tolist()) for k in range(len(packs)))


def test_the_mixture_of_the_paper_fills_more_than_99_percent_under_both_budgets() -> None:
    lengths, patches = mixture_of_the_paper(60_000)
    packs = plan(lengths, patches, tokens=8192, most_patches=20_480)
    assert packs.fill(lengths) > 0.99
    assert plan(lengths, tokens=8192).fill(lengths) > 0.999
    assert packs.sums(lengths).max() <= 8192
    assert packs.sums(patches).max() <= 20_480
    assert packs.fill(lengths) == pytest.approx(packs.sums(lengths).mean() / 8192)


def test_hardly_a_pack_is_without_an_image() -> None:
    """A rank that meets text alone leaves the others waiting for it in the vision tower."""
    lengths, patches = mixture_of_the_paper(60_000)
    seen = plan(lengths, patches, tokens=8192, most_patches=20_480).sums(patches)
    assert (seen == 0).mean() < 0.005 < (plan(lengths, tokens=8192).sums(patches) == 0).mean()


def test_large_images_alone_fill_more_than_95_percent() -> None:
    """1,280 image tokens and a short caption each: six fit a pack, and no plan can do better than the arithmetic."""
    lengths = 1280 + np.random.default_rng(0).integers(20, 80, 20_000)
    packs = plan(lengths, np.full(20_000, 5120), tokens=8192)
    assert len(packs) == 2 * -(-10_000 // 6)
    assert packs.fill(lengths) > 0.95


def test_without_a_patch_budget_patches_do_not_matter() -> None:
    lengths, patches = mixture_of_the_paper(5_000)
    assert np.array_equal(plan(lengths, patches, tokens=8192).order, plan(lengths, tokens=8192).order)


@pytest.mark.parametrize("room", [None, 20_480])
def test_packs_do_not_run_from_long_rows_to_short_ones(room: int | None) -> None:
    """Neither within a window nor over them: the mean row of a pack has no trend."""
    lengths, patches = mixture_of_the_paper(40_000)
    packs = plan(lengths, patches, tokens=8192, most_patches=room)
    mean = packs.sums(lengths) / np.diff(packs.offsets)
    assert abs(np.corrcoef(np.arange(len(packs)), mean)[0, 1]) < 0.05
    first = int(np.searchsorted(packs.offsets, 10_000))
    assert abs(np.corrcoef(np.arange(first), mean[:first])[0, 1]) < 0.12


def test_a_longer_epoch_leaves_the_packs_of_its_first_windows_alone() -> None:
    lengths, _ = mixture_of_the_paper(25_000)
    whole, part = plan(lengths, tokens=8192), plan(lengths[:20_000], tokens=8192)
    assert np.array_equal(whole.order[:20_000], part.order)
    assert np.array_equal(whole.offsets[: len(part) + 1], part.offsets)


def test_the_plan_is_fixed_for_ever() -> None:
    lengths = np.arange(40) * 17 % 40 + 1
    packs = plan(lengths, tokens=64, window=20)
    assert [packs[k].tolist() for k in range(len(packs))] == PLANNED


def test_no_rows_make_no_packs() -> None:
    packs = plan(np.array([], np.int64), tokens=10)
    assert (len(packs), packs.order.tolist(), packs.offsets.tolist()) == (0, [], [0])


@pytest.mark.parametrize(("lengths", "patches"), [([9, 11], [0, 0]), ([9, 0], [0, 0]), ([9, 9], [0, 5])])
def test_a_row_that_fits_no_pack_is_refused(lengths: list[int], patches: list[int]) -> None:
    with pytest.raises(AssertionError, match="counted before"):
        plan(np.array(lengths), np.array(patches), tokens=10, most_patches=4)


@given(
    ranks=st.sampled_from([1, 2, 4, 8]),
    steps=st.integers(1, 4),
    batches=st.integers(1, 4),
    seed=st.integers(0, 99),
)
@settings(max_examples=60, deadline=None)
def test_dealing_keeps_every_pack_in_its_global_batch(
    ranks: int, steps: int, batches: int, seed: int
) -> None:
    per_batch = ranks * steps
    costs = np.random.default_rng(seed).random(per_batch * batches)
    dealt = deal(costs, ranks=ranks, per_batch=per_batch).reshape(batches, per_batch)
    assert np.array_equal(np.sort(dealt, axis=1), np.arange(len(costs)).reshape(batches, per_batch))


def test_packs_that_meet_in_a_step_cost_alike_and_the_ranks_end_together() -> None:
    costs = np.random.default_rng(0).lognormal(0, 0.3, 64 * 100)
    steps = costs.reshape(100, 8, 8)
    after = costs[deal(costs, ranks=8, per_batch=64)].reshape(100, 8, 8)

    def wait(costs: np.ndarray) -> float:
        """Slowest over mean, over the ranks of a step."""
        return float((costs.max(axis=-1) / costs.mean(axis=-1)).mean())

    assert wait(steps) > 1.4
    assert wait(after) < 1.15
    assert wait(after.sum(axis=1)) < 1.05 < wait(steps.sum(axis=1))


def test_packs_of_equal_cost_stay_where_they_are() -> None:
    assert deal(np.ones(16), ranks=4, per_batch=8).tolist() == list(range(16))


def test_a_pack_is_read_by_its_number() -> None:
    packs = Packs(order=np.array([3, 0, 1, 2]), offsets=np.array([0, 1, 4]), tokens=10)
    assert [packs[k].tolist() for k in range(len(packs))] == [[3], [0, 1, 2]]
    assert packs.sums(np.array([5, 1, 1, 9])).tolist() == [9, 7]


PLANNED = [
    [1, 3, 8, 15],
    [2, 4],
    [0, 6, 7],
    [9, 11],
    [5, 10, 12, 17],
    [13, 14],
    [16, 18, 19],
    [21, 25],
    [23, 30],
    [22, 24, 27, 34],
    [28, 32, 33],
    [29, 31, 38],
    [26, 35, 39],
    [20, 36, 37],
]
