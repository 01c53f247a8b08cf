"""Recipes of our reinforcement stage: the published recipe but for that stage, and the reward over pairs for any recipe."""

from __future__ import annotations

from typing import Any

from lingshu_train.planning import plan, recipe
from lingshu_train.stages.grpo.config import Config


def blocks(name: str, *overrides: str) -> dict[str, dict[str, Any]]:
    loaded = recipe.load(name, overrides)
    return {block.name: block.config.model_dump(mode="json") for block in loaded.stages}


def rl(name: str, *overrides: str) -> Config:
    loaded = recipe.load(name, overrides)
    (found,) = [block.config for block in loaded.stages if block.name == "rl"]
    assert isinstance(found, Config)
    return found


def test_it_is_the_published_recipe_but_for_the_reinforcement_stage() -> None:
    published, ours = blocks("lingshu_7b"), blocks("lingshu_7b_rl")
    assert set(ours) - set(published) == {"rl_validation"}
    assert [name for name in published if ours[name] != published[name]] == ["rl"]
    changed = {key for key, value in ours["rl"].items() if value != published["rl"][key]}
    assert changed == {"loss", "kl_coefficient", "dynamic_sampling", "watch", "alarms"}
    assert ours["rl"]["rewards"] == published["rl"]["rewards"], "the paper's reward, by the strict verifier"


def test_its_supervised_stages_are_those_of_the_published_run() -> None:
    """So that a run of one goes on to the other without training anything twice."""
    one, two = (
        {stage.name: stage.content for stage in plan.build(recipe.load(name)).stages}
        for name in ("lingshu_7b", "lingshu_7b_rl")
    )
    assert {name for name in one if one[name] == two[name]} == set(one) - {"rl", "evaluate", "export"}


def test_no_reference_model_is_kept_and_no_test_row_is_watched() -> None:
    found = rl("lingshu_7b_rl")
    assert (found.kl_coefficient, found.draws, found.loss) == (0.0, 2, "dr_grpo")
    assert found.watch and (found.watch.corpus, found.watch.split) == ("rl_validation", "validation")
    assert found.alarms


def test_one_word_rewards_both_halves_of_a_pair_in_any_recipe() -> None:
    found = rl("quickstart", "+with=pair")
    assert found.pairs == ("pair",) and found.loss == "dr_grpo"
    assert [(term.name, term.weight) for term in found.rewards.terms] == [
        ("pair", 1.0),
        ("format", 0.5),
        ("accuracy", 0.0),
    ]
    assert rl("quickstart").pairs == ()
