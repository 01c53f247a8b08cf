"""The order of the samples is arithmetic: a permutation per epoch, the same for every layout, resumed in O(1)."""

from __future__ import annotations

from math import factorial, sqrt
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from plain_order import PlainOrder
from trl.trainer.utils import RepeatSampler

from lingshu_train.data.order.permutation import SHUFFLED, Permutation, permute
from lingshu_train.stages.grpo.items import UNREAD, Placing, item_to_row
from lingshu_train.training.exact import Items, TrainingRun
from lingshu_train.training.feed import num_steps

SIZES = [*range(1, 34), 63, 64, 65, 127, 255, 256, 257, 1000, SHUFFLED - 1, SHUFFLED, SHUFFLED + 1]


@pytest.mark.parametrize("size", SIZES)
def test_a_permutation_visits_every_row_once(size: int) -> None:
    permutation = Permutation(size, "0/0")
    assert sorted(permutation(position) for position in range(size)) == list(range(size))


def test_a_permutation_of_many_millions_needs_no_memory_and_stays_in_range() -> None:
    size = 7_100_003
    permutation = Permutation(size, "0/1")
    places = [permutation(position) for position in range(0, size, 7_001)]
    assert all(0 <= place < size for place in places)
    assert len(set(places)) == len(places)


@pytest.mark.parametrize("size", [*SIZES, 65_537, 7_100_003, 2**31 - 1, 2**40 + 3])
def test_many_places_at_once_are_those_of_one_at_a_time(size: int) -> None:
    permutation = Permutation(size, "5/2")
    positions = np.unique(np.r_[0, size - 1, np.random.default_rng(0).integers(0, size, 300)])
    assert permutation.many(positions).tolist() == [permutation(position) for position in positions.tolist()]


def test_a_whole_epoch_at_once_visits_every_row_once() -> None:
    """More positions than one block, so that blocks meet."""
    size = 200_003
    assert np.array_equal(np.sort(Permutation(size, "0/0").many(np.arange(size))), np.arange(size))


def test_no_positions_have_no_places() -> None:
    assert Permutation(10, "0/0").many(np.array([], np.int64)).tolist() == []


@pytest.mark.parametrize("position", [-1, 10, 11])
def test_a_position_outside_the_data_is_refused(position: int) -> None:
    with pytest.raises(IndexError, match=r"outside range\(10\)"):
        Permutation(10, "0/0")(position)
    with pytest.raises(IndexError, match=r"outside range\(10\)"):
        Permutation(10, "0/0").many(np.array([3, position]))


@pytest.mark.parametrize("size", [3, 100, SHUFFLED])
def test_many_small_permutations_at_once_are_those_of_one_at_a_time(
    size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With keys in any order, some unused, and more of them than are shuffled together."""
    monkeypatch.setattr("lingshu_train.data.order.permutation._TOGETHER", 4 * size)
    draw = np.random.default_rng(0)
    keys = [f"1/{number}" for number in range(15)]
    which, positions = draw.integers(0, 12, 300), draw.integers(0, size, 300)
    places = permute(positions, size=size, keys=keys, which=which)
    alone = [Permutation(size, keys[k])(p) for k, p in zip(which.tolist(), positions.tolist(), strict=True)]
    assert places.tolist() == alone


def quantile(freedom: int) -> float:
    """The 99.9 % quantile of chi-square, to 2 % (Cornish and Fisher)."""
    z = 3.09
    return freedom + z * sqrt(2 * freedom) + 2 * (z * z - 1) / 3


@pytest.mark.parametrize("size", range(2, 9))
def test_every_order_of_a_few_rows_is_as_likely_as_every_other(size: int) -> None:
    """Ten permutations and more for each of the n! orders."""
    orders = factorial(size)
    epochs = max(10 * orders, 10_000)
    positions, epoch = np.tile(np.arange(size), epochs), np.repeat(np.arange(epochs), size)
    places = permute(positions, size=size, keys=[f"0/{n}" for n in range(epochs)], which=epoch)
    found = np.unique(places.reshape(epochs, size) @ size ** np.arange(size), return_counts=True)[1]
    chi_square = float((found**2).sum()) * orders / epochs - epochs
    assert chi_square < quantile(orders - 1)


@pytest.mark.parametrize("size", [5, 16, 64])
def test_neighbours_part_by_every_distance_alike(size: int) -> None:
    keys = [f"{seed}/0" for seed in range(20_000)]
    which = np.repeat(np.arange(len(keys)), 2)
    places = permute(np.tile([0, 1], len(keys)), size=size, keys=keys, which=which).reshape(-1, 2)
    found = np.bincount((places[:, 1] - places[:, 0]) % size)[1:]
    expected = len(keys) / (size - 1)
    assert ((found - expected) ** 2).sum() / expected < quantile(size - 2)


def test_every_epoch_and_every_seed_has_an_order_of_its_own() -> None:
    def epoch(seed: int, number: int) -> tuple[int, ...]:
        return tuple(PlainOrder(100, seed=seed).rows(100 * number, 100 * (number + 1)))

    found = {epoch(seed, number) for seed in range(4) for number in range(4)}
    assert len(found) == 16
    assert all(sorted(order) == list(range(100)) for order in found)
    assert tuple(range(100)) not in found


def test_the_order_is_the_same_in_every_process_and_version() -> None:
    """Fixed for ever: a changed order would make every published run impossible to repeat."""
    assert PlainOrder(10).rows(0, 20) == ORDER_OF_TEN
    assert [Permutation(5000, "0/0")(n) for n in range(10)] == START_OF_5000
    assert [Permutation(7_100_003, "0/0")(n) for n in range(5)] == START_OF_7_100_003


def run(order: PlainOrder, *, start: int = 0, steps: int = 12, per_step: int = 4) -> TrainingRun:
    resume = Path(f"checkpoints/step-{start:08d}") if start else None
    return TrainingRun(
        stage=SimpleNamespace(),  # type: ignore[arg-type]
        family=SimpleNamespace(),  # type: ignore[arg-type]
        row=order.row,
        items_per_step=per_step,
        resume=resume,
        steps=steps,
        learning_rate={},
        weight_decay=0.0,
        keep=1,
    )


@pytest.mark.parametrize("start", [1, 5, 8, 11])
def test_a_resumed_loader_yields_what_was_left_and_still_counts_the_whole_run(start: int) -> None:
    order = PlainOrder(32, seed=3)
    whole, rest = Items(run(order)), Items(run(order, start=start))
    assert list(rest) == list(whole)[4 * start :]
    assert len(rest) == len(whole) == 48


@pytest.mark.parametrize(("per_device", "world"), [(8, 1), (4, 2), (2, 4), (1, 8)])
def test_the_global_batches_do_not_depend_on_the_number_of_processes(per_device: int, world: int) -> None:
    """Batches are dealt to the ranks in turn, as accelerate's BatchSamplerShard does."""
    items = list(Items(run(PlainOrder(20), per_step=8)))
    batches = [items[n : n + per_device] for n in range(0, len(items), per_device)]
    ranks = [batches[rank::world] for rank in range(world)]
    steps = [sorted(row for rank in ranks for row in rank[step]) for step in range(12)]
    assert steps == [sorted(PlainOrder(20).rows(8 * step, 8 * (step + 1))) for step in range(12)]


@pytest.mark.parametrize(("prompts", "group", "repeats"), [(4, 2, 1), (4, 3, 2), (8, 4, 4), (1, 2, 8)])
def test_rollout_items_lie_as_trl_lays_them(prompts: int, group: int, repeats: int) -> None:
    """Where a prompt stands is TRL's; which prompt it is, is ours, and so is that only a window's first pass is read."""
    size = 3 * prompts
    order = PlainOrder(size, seed=1)
    ours = item_to_row(order.row, Placing(prompts=prompts, group=group), repeats=repeats)
    theirs = RepeatSampler(
        range(size), mini_repeat_count=group, batch_size=prompts, repeat_count=repeats, shuffle=False
    )
    places = list(theirs)
    items = prompts * group
    first = [i % (items * repeats) < items for i in range(len(places))]
    assert [ours(i) for i in range(len(places))] == [
        order.row(place) if read else UNREAD for place, read in zip(places, first, strict=True)
    ]


def test_rollout_prompts_of_the_second_epoch_are_all_new_and_in_another_order() -> None:
    row = item_to_row(PlainOrder(8).row, Placing(prompts=4, group=2), repeats=3)
    seen = [row(i) for i in range(4 * 8 * 3)]
    windows = [seen[n : n + 24 : 2][:4] for n in range(0, len(seen), 24)]
    first, second = windows[0] + windows[1], windows[2] + windows[3]
    assert sorted(first) == sorted(second) == list(range(8))
    assert first != second


def test_epochs_become_steps_rounded_up_to_whole_generation_windows() -> None:
    assert num_steps(steps=None, items=100_000, per_step=128, multiple=4) == 784
    assert num_steps(steps=None, items=66, per_step=4) == 17
    assert num_steps(steps=5, items=33, per_step=4, multiple=4) == 5


ORDER_OF_TEN = [7, 3, 2, 6, 5, 0, 9, 8, 1, 4, 3, 7, 9, 6, 8, 0, 5, 4, 2, 1]
START_OF_5000 = [1905, 2406, 4567, 744, 4839, 1263, 1959, 3081, 2215, 1699]
START_OF_7_100_003 = [648183, 3333390, 5015220, 5721035, 745570]
