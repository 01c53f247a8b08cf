"""What a recipe says of adapters: both forms of `train`, one line for every mistake, and memory by the stated formula."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from lingshu_train.errors import RecipeError
from lingshu_train.planning import estimate, plan, recipe
from lingshu_train.planning.recipe import Recipe
from lingshu_train.training import lora
from lingshu_train.training.config import TrainingConfig

WAY = "{merger: full, language_model: {lora: {rank: 8}}}"
SLAKE = (
    "stages.data.cards=[slake]",
    "+stages.data.card_splits={slake: {train: train, validation: held_out}}",
)


def given(train: str, *parts: str) -> list[str]:
    """Overrides of the quickstart's instruct stage, with a learning rate for each of these parts."""
    rates = ", ".join(f"{part}: 1e-3" for part in parts)
    return [
        f"stages.instruct.train={train}",
        "~stages.instruct.learning_rate",
        f"+stages.instruct.learning_rate={{{rates}}}",
    ]


def config(loaded: Recipe) -> TrainingConfig:
    found = next(block.config for block in loaded.stages if block.name == "instruct")
    assert isinstance(found, TrainingConfig)
    return found


def test_a_mapping_takes_the_place_of_a_list_and_the_reverse() -> None:
    adapted = config(recipe.load("quickstart", given(WAY, "merger", "language_model")))
    assert adapted.trains == ("merger", "language_model")
    assert {part: one.rank for part, one in adapted.adapters.items()} == {"language_model": 8}
    listed = config(recipe.load("adapt_lora", [*SLAKE, "stages.instruct.train=[merger, language_model]"]))
    assert listed.train == ("merger", "language_model") and not listed.adapters


def content(loaded: Recipe) -> str:
    return next(one.stage.content for one in plan.build(loaded).planned if one.stage.name == "instruct")


def test_both_ways_to_train_parts_whole_name_one_stage_and_an_adapter_names_another() -> None:
    names = [
        content(recipe.load("quickstart", given(train, "merger", "language_model")))
        for train in (
            "[merger, language_model]",
            "{language_model: full, merger: full}",
            "{vision_tower: null, merger: full, language_model: full}",
            WAY,
            WAY.replace("8", "9"),
        )
    ]
    assert names[0] == names[1] == names[2]
    assert len(set(names)) == 3


def test_a_configuration_is_read_back_as_it_was_written() -> None:
    written = config(recipe.load("quickstart", given(WAY, "merger", "language_model")))
    assert type(written).model_validate_json(written.model_dump_json()) == written


@pytest.mark.parametrize(
    ("train", "parts", "line"),
    [
        ("{visiontower: full}", [], "train.visiontower: unknown key; nearest: vision_tower"),
        ("[visiontower]", [], "train: unknown part 'visiontower'"),
        ("{merger: {lora: {rank: 0}}}", ["merger"], "train.merger.lora.rank: must be greater than 0, got 0"),
        ("{merger: {lora: {rank: -4}}}", ["merger"], "train.merger.lora.rank: must be greater than 0, got -4"),
        ("{merger: {lora: {}}}", ["merger"], "train.merger.lora.rank: missing"),
        ("{merger: {lora: {rank: 2, alpha: 0}}}", ["merger"], "lora.alpha: must be greater than 0, got 0"),
        ("{merger: {lora: {rank: 2, dropout: 1}}}", ["merger"], "lora.dropout: must be less than 1, got 1"),
        ("{merger: whole}", ["merger"], "train.merger: must be full, or a mapping such as"),
        ("{merger: {dora: {rank: 2}}}", ["merger"], "train.merger.dora: unknown key"),
        ("3", [], "train: must be a list of parts, or a mapping such as"),
        ("{}", [], "train: nothing to train"),
        (WAY, ["merger"], "no learning rate for 'language_model'"),
        (
            "{merger: {lora: {rank: 2}}, language_model: full}",
            ["merger", "language_model"],
            "train.language_model: full beside an adapter of merger",
        ),
        (
            "{merger: {lora: {rank: 2}}, language_model: {lora: {rank: 2, dropout: 0.1}}}",
            ["merger", "language_model"],
            "dropout differs among the adapters of a stage",
        ),
        (
            "{language_model: {lora: {rank: 2, targets: [lm_head]}}}",
            ["language_model"],
            "'lm_head'; it has: self_attn.q_proj.*; the output head takes no adapter",
        ),
        (
            "{vision_tower: {lora: {rank: 2, targets: [q_proj]}}}",
            ["vision_tower"],
            "no linear layer of vision_tower is called 'q_proj'",
        ),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line(train: str, parts: Sequence[str], line: str) -> None:
    with pytest.raises(RecipeError, match=f"^stages.instruct.*{line}") as raised:
        recipe.load("quickstart", given(train, *parts))
    assert "\n" not in str(raised.value)


def test_a_part_without_linear_layers_takes_no_adapter() -> None:
    train = lora.read({"merger": {"lora": {"rank": 2}}})
    with pytest.raises(RecipeError, match=r"train\.merger\.lora: merger has no linear layer; it has: none"):
        lora.check_layers("stages.x.train", train, {"merger": ()})


def test_4_bits_are_refused_beside_deepspeed_and_without_an_adapter() -> None:
    with pytest.raises(RecipeError, match=r"stages\.instruct\.train: no adapter"):
        recipe.load("adapt", [*SLAKE, "model.quantize=nf4"])
    several = ["model.quantize=nf4", "cluster.processes=2", "cluster.deepspeed=zero2"]
    with pytest.raises(RecipeError, match=r"model\.quantize: nf4 beside cluster\.deepspeed zero2"):
        recipe.load("adapt_lora", [*SLAKE, *several])


def test_an_adapter_is_exported_only_of_a_stage_that_has_one() -> None:
    asked = "+stages.export.adapter=true"
    assert plan.build(recipe.load("adapt_lora", [*SLAKE, asked])).planned
    with pytest.raises(RecipeError, match="leaves no adapter; these do: none"):
        plan.build(recipe.load("adapt", [*SLAKE, asked]))


@pytest.mark.parametrize("quantize", ["none", "nf4"])
def test_memory_is_the_formula_of_the_docs(quantize: str) -> None:
    loaded = recipe.load("adapt_lora", [*SLAKE, "model=qwen2_5_vl_7b", f"model.quantize={quantize}"])
    planned = next(one for one in plan.build(loaded).planned if one.stage.name == "instruct")
    found = estimate.cost(loaded, planned.stage, planned.config)
    assert found is not None
    hidden, wide, keys, layers = 3584, 18944, 512, 28
    attention = 64 * (2 * 2 * hidden + 2 * (hidden + keys))
    assert found.trainable["language_model"] == layers * (attention + 64 * 3 * (hidden + wide))
    packed = (
        layers * (2 * hidden * hidden + 2 * hidden * keys + 3 * hidden * wide) if quantize == "nf4" else 0
    )
    frozen = 2 * (sum(found.total.values()) - packed) + packed * (1 / 2 + 1 / 64 + 4 / (64 * 256))
    trained = sum(found.trainable.values())
    # Mixed precision copies what of an adapter and of the merger is a matrix.
    adapter = found.trainable["language_model"]
    copies = 2 * (adapter + 5120 * 5120 + 5120 * hidden)
    assert found.state_bytes == pytest.approx(frozen + 16 * trained + copies, abs=1)
    assert found.checkpoint_bytes == 12 * trained
