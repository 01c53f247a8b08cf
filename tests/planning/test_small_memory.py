"""What makes a stage fit a smaller card: what a recipe may ask, what is refused in one line, and what the arithmetic gives."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from lingshu_train.errors import MissingInput, RecipeError
from lingshu_train.planning import estimate, plan, recipe
from lingshu_train.planning.estimate import Cost
from lingshu_train.training import config as configs

SLAKE = ["stages.data.cards=[slake]", "stages.data.splits=[train]", "pipeline=[data,instruct]"]
OFFLOAD = ["cluster.deepspeed=zero2", "cluster.offload=optimizer"]


def cost(name: str, *overrides: str) -> Cost:
    loaded = recipe.load(name, [*SLAKE, *overrides])
    planned = next(one for one in plan.build(loaded).planned if one.stage.name == "instruct")
    found = estimate.cost(loaded, planned.stage, planned.config)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("overrides", "line"),
    [
        (["cluster.offload=optimizer"], r"cluster\.offload: optimizer is DeepSpeed's work, and .* none"),
        (["cluster.offload=all", "cluster.deepspeed=zero2"], r"cluster\.offload: all moves weights too"),
        (["cluster.offload=disk"], r"cluster\.offload"),
        ([*OFFLOAD, "+stages.instruct.optimizer=adamw_8bit"], r"stages\.instruct\.optimizer: adamw_8bit beside"),
        (
            ["cluster.processes=2", "cluster.deepspeed=zero1", "+stages.instruct.optimizer=adamw_8bit"],
            r"stages\.instruct\.optimizer: adamw_8bit beside cluster\.deepspeed=zero1",
        ),
        (["+stages.instruct.optimizer=sgd"], r"stages\.instruct\.optimizer"),
    ],
)  # fmt: skip
def test_what_offload_and_8_bits_cannot_do_is_one_line(overrides: Sequence[str], line: str) -> None:
    with pytest.raises(RecipeError, match=line) as raised:
        plan.build(recipe.load("adapt", [*SLAKE, *overrides]))
    assert "\n" not in str(raised.value)


def test_4_bits_are_refused_beside_offload_on_one_process() -> None:
    with pytest.raises(RecipeError, match=r"model\.quantize: nf4 beside cluster\.deepspeed zero2"):
        recipe.load("adapt_lora", [*SLAKE, "model.quantize=nf4", *OFFLOAD])


def test_8_bits_without_their_package_are_told_before_the_first_stage(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = plan.build(recipe.load("adapt", [*SLAKE, "+stages.instruct.optimizer=adamw_8bit"]))
    made.try_out()
    monkeypatch.setattr(configs, "find_spec", lambda name: None)
    with pytest.raises(
        MissingInput, match=r"stages\.instruct\.optimizer: adamw_8bit needs .* the extra qlora$"
    ):
        made.try_out()


def test_deepspeed_on_one_process_counts_only_where_it_offloads() -> None:
    names = [
        plan.build(recipe.load("adapt", [*SLAKE, *more])).stages[-1].content
        for more in ([], ["cluster.deepspeed=zero2"], OFFLOAD, ["cluster.deepspeed=zero3", *OFFLOAD[1:]])
    ]
    assert names[0] == names[1]
    assert len(set(names)) == 3


def test_offload_moves_the_optimizer_to_the_host_and_8_bits_make_it_a_quarter() -> None:
    plain, moved = cost("adapt"), cost("adapt", *OFFLOAD)
    everything, small = (
        cost("adapt", "cluster.deepspeed=zero3", "cluster.offload=all"),
        cost("adapt", "+stages.instruct.optimizer=adamw_8bit"),
    )
    total, trained = sum(plain.total.values()), sum(plain.trainable.values())
    assert plain.host_bytes == 0
    assert (moved.state_bytes, moved.host_bytes) == (2 * total, 16 * trained)
    assert (everything.state_bytes, everything.host_bytes) == (0, 16 * trained + 2 * total)
    assert plain.state_bytes - small.state_bytes == pytest.approx((8 - 2 - 1 / 32) * trained, rel=1e-6)
    assert plain.checkpoint_bytes - small.checkpoint_bytes == pytest.approx((6 - 1 / 32) * trained, rel=1e-6)
