"""docs/own_data.md names flags, recipes and messages that there are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.main import get_group

from lingshu_train import cli
from lingshu_train.planning import recipe

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "own_data.md").read_text(encoding="utf-8")


def flags() -> set[str]:
    add = get_group(cli.app).commands["data"].commands["add"]  # type: ignore[attr-defined]
    return {name for option in add.params for name in option.opts if name.startswith("--")}


@pytest.mark.parametrize("flag", sorted(set(re.findall(r"--[a-z][a-z-]+", PAGE))))
def test_a_flag_of_the_page_is_one_of_the_verb(flag: str) -> None:
    assert flag in flags() | {"--help"}


@pytest.mark.parametrize(("name", "model", "train"), [("adapt", "3b", "merger, language_model")])
def test_the_recipes_of_the_page_are_there(name: str, model: str, train: str) -> None:
    assert name in recipe.names()
    text = (ROOT / "recipes" / f"{name}.yaml").read_text(encoding="utf-8")
    assert f"qwen2_5_vl_{model}" in text
    assert f"train: [{train}]" in text


@pytest.mark.parametrize(
    ("overrides", "gib"),
    [
        ([], 54),
        (
            [
                "stages.instruct.train=[vision_tower,merger]",
                "+stages.instruct.learning_rate.vision_tower=1e-6",
            ],
            23,
        ),
        (["model=qwen2_5_vl_7b"], 129),
    ],
)
def test_the_memory_of_the_page_is_that_of_the_plan(overrides: list[str], gib: int) -> None:
    from lingshu_train.planning import estimate, plan

    rates = (
        ["~stages.instruct.learning_rate.language_model"] if overrides[:1] and "train" in overrides[0] else []
    )
    chosen = recipe.load(
        "adapt",
        [
            "stages.data.cards=[slake]",
            "+stages.data.card_splits={slake: {train: train, validation: held_out}}",
            *overrides,
            *rates,
        ],
    )
    planned = next(one for one in plan.build(chosen).planned if one.stage.name == "instruct")
    found = estimate.cost(chosen, planned.stage, planned.config)
    assert found is not None
    assert round(found.state_bytes / 2**30) == gib
    assert f"| {gib} GiB |" in PAGE
