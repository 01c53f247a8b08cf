"""The order of the samples is arithmetic: a permutation per epoch, the same for every layout, resumed in O(1)."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from trl.trainer.utils import RepeatSampler

from lingshu_train.data.order.permutation import Order, Permutation
from lingshu_train.stages.grpo.run import UNREAD, item_to_row
from lingshu_train.training.exact import Items, Run
from lingshu_train.training.feed import num_steps

SIZES = [*range(1, 34), 63, 64, 65, 127, 255, 256, 257, 1000, 4095, 4097]


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


def test_a_permutation_favours_no_place() -> None:
    """First places over 4,000 keys: chi-square of 15 degrees of freedom, whose 99.9 % quantile is 37.7."""
    first = Counter(Permutation(16, f"{key}/0")(0) for key in range(4000))
    expected = 4000 / 16
    assert sum((first[place] - expected) ** 2 / expected for place in range(16)) < 37.7


def test_every_epoch_and_every_seed_has_an_order_of_its_own() -> None:
    def epoch(seed: int, number: int) -> tuple[int, ...]:
        return tuple(Order(size=100, seed=seed).rows(100 * number, 100 * (number + 1)))

    found = {epoch(seed, number) for seed in range(4) for number in range(4)}
    assert len(found) == 16
    assert all(sorted(order) == list(range(100)) for order in found)
    assert tuple(range(100)) not in found


def test_the_order_is_the_same_in_every_process_and_version() -> None:
    """Fixed for ever: a changed order would make every published run impossible to repeat."""
    assert list(Order(size=10, seed=0).rows(0, 20)) == ORDER_OF_TEN


def run(row: Order, *, start: int = 0, steps: int = 12, per_step: int = 4) -> Run:
    resume = Path(f"checkpoints/step-{start:08d}") if start else None
    return Run(
        stage=SimpleNamespace(),  # type: ignore[arg-type]
        family=SimpleNamespace(),  # type: ignore[arg-type]
        row=row.row,
        items_per_step=per_step,
        resume=resume,
        steps=steps,
        learning_rate={},
        weight_decay=0.0,
        keep=1,
    )


@pytest.mark.parametrize("start", [1, 5, 8, 11])
def test_a_resumed_loader_yields_what_was_left_and_still_counts_the_whole_run(start: int) -> None:
    order = Order(size=32, seed=3)
    whole, rest = Items(run(order)), Items(run(order, start=start))
    assert list(rest) == list(whole)[4 * start :]
    assert len(rest) == len(whole) == 48


@pytest.mark.parametrize(("per_device", "world"), [(8, 1), (4, 2), (2, 4), (1, 8)])
def test_the_global_batches_do_not_depend_on_the_number_of_processes(per_device: int, world: int) -> None:
    """Batches are dealt to the ranks in turn, as accelerate's BatchSamplerShard does."""
    items = list(Items(run(Order(size=20, seed=0), per_step=8)))
    batches = [items[n : n + per_device] for n in range(0, len(items), per_device)]
    ranks = [batches[rank::world] for rank in range(world)]
    steps = [sorted(row for rank in ranks for row in rank[step]) for step in range(12)]
    assert steps == [sorted(Order(size=20, seed=0).rows(8 * step, 8 * (step + 1))) for step in range(12)]


@pytest.mark.parametrize(("prompts", "group", "repeats"), [(4, 2, 1), (4, 3, 2), (8, 4, 4), (1, 2, 8)])
def test_rollout_items_lie_as_trl_lays_them(prompts: int, group: int, repeats: int) -> None:
    """Where a prompt stands is TRL's; which prompt it is, is ours, and so is that only a window's first pass is read."""
    size = 3 * prompts
    order = Order(size=size, seed=1)
    ours = item_to_row(order.row, prompts=prompts, group=group, repeats=repeats)
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
    row = item_to_row(Order(size=8, seed=0).row, prompts=4, group=2, repeats=3)
    seen = [row(i) for i in range(4 * 8 * 3)]
    windows = [seen[n : n + 24 : 2][:4] for n in range(0, len(seen), 24)]
    first, second = windows[0] + windows[1], windows[2] + windows[3]
    assert sorted(first) == sorted(second) == list(range(8))
    assert first != second


def test_epochs_become_steps_rounded_up_to_whole_generation_windows() -> None:
    assert num_steps(steps=None, items=100_000, per_step=128, multiple=4) == 784
    assert num_steps(steps=None, items=66, per_step=4) == 17
    assert num_steps(steps=5, items=33, per_step=4, multiple=4) == 5


ORDER_OF_TEN = [9, 8, 1, 5, 4, 2, 3, 7, 0, 6, 3, 9, 6, 4, 2, 0, 8, 7, 1, 5]
