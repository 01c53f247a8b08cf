"""The recipe's trackers: checked before anything runs, and no part of what names a stage."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from lingshu_train import naming
from lingshu_train.errors import MissingInput, RecipeError
from lingshu_train.planning import outline, plan, recipe
from lingshu_train.trackers import _choice as choice
from lingshu_train.trackers import _sharing as sharing
from lingshu_train.trackers._choice import Chosen
from lingshu_train.trackers._tracker import component

OURS = ("tensorboard", "trackio", "wandb")


def chosen(*records: str) -> recipe.Recipe:
    return recipe.load("quickstart", [f"trackers=[{','.join(records)}]"])


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ("{name: wnadb}", "trackers.0.name: unknown tracker 'wnadb'; trackers/ has: tensorboard, trackio, wandb"),
        ("{name: wandb, params: {api_key: x}}", "trackers.0.params.api_key: unknown key; known keys: entity, mode, project"),
        ("{name: wandb, params: {mode: disabled}}", "trackers.0.params.mode: "),
        ("{name: tensorboard, params: {folder: x}}", "trackers.0.params.folder: unknown key"),
        ("{name: wandb},{name: wandb}", "trackers.0.name: 'wandb' stands twice"),
        ("{name: wandb, sampels: true}", "unknown key"),
        ("{name: wandb, wait_s: 0}", "trackers.0.wait_s"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_when_the_recipe_is_read(record: str, said: str) -> None:
    with pytest.raises(RecipeError) as fault:
        chosen(record)
    assert said in str(fault.value)


@pytest.mark.parametrize("name", OURS)
def test_a_missing_package_is_found_before_the_first_stage(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, name, None)  # as if it were not installed
    with pytest.raises(MissingInput) as fault:
        chosen(f"{{name: {name}}}")
    assert fault.value.exit_code == 66
    assert f"trackers.0.name: tracker '{name}' needs the package {name}, which is not installed: pip" in str(
        fault.value
    )


def test_there_is_none_unless_the_recipe_says_so() -> None:
    for name in recipe.names():
        given = (
            ["stages.data.cards=[slake]", "stages.data.splits=[train]"] if name.startswith("adapt") else []
        )
        assert recipe.load(name, given).trackers == ()


def test_trackers_name_no_stage_and_no_plan() -> None:
    plain = plan.build(recipe.load("quickstart"))
    tracked = plan.build(chosen("{name: tensorboard, samples: true}", "{name: wandb, params: {project: p}}"))
    assert [stage.folder for stage in tracked.stages] == [stage.folder for stage in plain.stages]
    assert tracked.digest == plain.digest
    assert tracked.stages == plain.stages


def test_the_plan_says_what_is_sent_and_which_cards_keep_samples_here() -> None:
    shown = chosen("{name: tensorboard, samples: true}", "{name: wandb}")
    text = outline.text(shown, plan.build(shown))
    assert "\ntracker tensorboard: numbers and samples\ntracker wandb: numbers\n" in text
    shown = recipe.load("lingshu_7b", ["trackers=[{name: wandb, samples: true}]"])
    text = outline.text(shown, plan.build(shown))
    assert (
        "; no samples of shallow: pmc_oa (OpenRAIL: yes, not read at the source); no samples of deep: "
        in text
    )
    assert "; no samples of rl: " in text


@pytest.mark.parametrize(
    ("cards", "why"),
    [
        (("package_pydicom", "package_nilearn"), ""),
        (("package_pydicom", "mimic_cxr"), "mimic_cxr ("),
        (("package_pydicom", "no_such_card"), "data card no_such_card is not found here"),
        ((), "no data card stands behind it"),
    ],
)
def test_samples_need_the_word_of_every_card(cards: tuple[str, ...], why: str) -> None:
    assert sharing.refusal(cards).startswith(why) if why else not sharing.refusal(cards)


def test_what_was_chosen_is_read_back(tmp_path: Path) -> None:
    assert choice.read(tmp_path) == ()
    both = (
        Chosen(name="wandb", params={"project": "p"}, samples=True),
        Chosen(name="tensorboard", wait_s=1.5),
    )
    choice.write(tmp_path, both)
    assert choice.read(tmp_path) == both


@pytest.mark.parametrize("name", naming.components("lingshu_train.trackers"))
def test_a_tracker_is_a_file_that_says_all_and_loads_nothing(name: str) -> None:
    found = component(name, where="trackers")
    for told in ("PACKAGE", "Params", "environment", "start"):
        assert hasattr(found, told), told
    set_ = found.environment(found.Params(), Path("/runs/mine/trackers"))
    assert all(key.isupper() for key in set_)
