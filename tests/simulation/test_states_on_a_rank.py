"""What a process keeps: each rule against arithmetic written out, and against tensors of a real optimizer."""

from __future__ import annotations

import pytest

from lingshu_train.planning import estimate, recipe, states
from lingshu_train.planning.states import Division, Parameters

MODEL = Parameters(trainable=1000, frozen=500, packed=0, adapted=False, cast=800, largest=100)


@pytest.mark.parametrize(
    ("level", "weights", "gradients", "optimizer", "buffers", "gathered"),
    [
        (1, 2 * 1500, 4 * 1000, 12 * 250, 4 * 50, 0),
        (2, 2 * 1500, 4 * 250, 12 * 250, 2 * 50, 0),
        (3, 2 * 1500 // 4, 4 * 250, 12 * 250, 2 * 50, 2 * 1500),
    ],
)
def test_zero_divides_what_its_level_says(
    level: int, weights: int, gradients: int, optimizer: int, buffers: int, gathered: int
) -> None:
    how = Division(level=level, world=4, low=True, bucket=50)
    found = states.of(MODEL, how)
    told = (found.weights, found.gradients, found.optimizer, found.buffers, found.gathered)
    assert told == (weights, gradients, optimizer, buffers, gathered)
    assert found.copies == found.host == 0


def test_one_process_keeps_float32_and_the_copies_of_autocast() -> None:
    found = states.of(MODEL, Division(level=0, world=1, low=True))
    assert (found.weights, found.gradients, found.optimizer, found.copies) == (6000, 4000, 8000, 1600)
    assert states.of(MODEL, Division(level=0, world=1, low=False)).copies == 0
    assert states.of(MODEL, Division(level=0, world=2, low=True)).buffers == 4000


def test_what_is_frozen_beside_an_adapter_is_low_or_in_4_bits() -> None:
    beside = Parameters(trainable=10, frozen=1000, packed=640, adapted=True, cast=10, largest=100)
    found = states.of(beside, Division(level=0, world=1, low=True))
    assert found.weights == int(40 + 2 * 360 + 640 * (0.5 + 1 / 64 + 4 / (64 * 256)))


def test_offload_moves_masters_moments_and_gradients_to_the_host() -> None:
    how = Division(level=2, world=4, low=True, bucket=50)
    here, there = states.of(MODEL, how), states.of(MODEL, how.changed(offload="optimizer"))
    assert (there.optimizer, there.gradients, there.host) == (0, 0, 16 * 250)
    assert there.weights == here.weights


def test_a_checkpoint_has_what_the_published_sizes_have() -> None:
    """7B under ZeRO-3: the files of a checkpoint are 25 GB where two small parts train, and 116 GB where all does."""
    loaded = recipe.load("lingshu_7b")
    how = states.division(loaded.cluster, world=8, low=True)
    sizes = {
        block.name: round(estimate.checkpoint(estimate.parameters(loaded.model, block.config), how) / 1e9)
        for block in loaded.stages
        if block.config.trains
    }
    assert sizes == {"shallow": 25, "deep": 116, "instruct": 116, "rl": 116}


def test_the_settings_of_deepspeed_are_those_that_it_is_given() -> None:
    assert all(states.at_level(level, world=2, low=True).whole_sums for level in (1, 2, 3))
    assert states.at_level(3, world=2, low=True).bucket == states.BUCKET
