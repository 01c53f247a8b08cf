"""A plan knows which splits and tasks of labelled pictures there will be, and refuses a stage that asks for others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lingshu_train.errors import RecipeError
from lingshu_train.planning import plan, recipe

CURATE = (
    "+stages.clean={kind:curate,corpus:data,steps:[{name:exact_duplicates}]}",
    "pipeline=[data,clean,base,shallow]",
)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ("stages.shallow.data=[{corpus:data,tasks:[capton]}]",),
            r"stages\.shallow\.data: unknown task 'capton'; stage 'data' has in split 'train': .*caption",
        ),
        (
            ("+stages.evaluate.tasks=[lesion]",),
            r"stages\.evaluate\.corpus: unknown task 'lesion'; stage 'data' has in split 'held_out'",
        ),
        (
            ("+stages.evaluate.split=test",),
            r"stages\.evaluate\.corpus: stage 'data' leaves no split 'test'; it leaves: train, held_out",
        ),
        (
            ("+stages.rl.watch={corpus:data,every:2,tasks:[nope]}",),
            r"stages\.rl\.watch\.corpus: unknown task 'nope'",
        ),
        (
            ("stages.data.questions.caption.train=0",),
            r"stages\.shallow\.data: unknown task 'caption'; stage 'data' has in split 'train': body_part",
        ),
        (
            (*CURATE, "stages.shallow.data=[{corpus:clean,tasks:[capton]}]"),
            r"stages\.shallow\.data: unknown task 'capton'; stage 'clean' has in split 'train'",
        ),
        (
            ("stages.data.image_size=5600",),
            r"image_size: 5600 x 5600 pixels are outside of model\.min_pixels to model\.max_pixels",
        ),
        (("model.max_pixels=10",), r"model: max_pixels 10 is below min_pixels 784"),
        (("model.max_pixels=-5",), r"model\.max_pixels"),
        (("model.min_pixels=20000",), r"model: max_pixels \d+ is below min_pixels 20000"),
    ],
)
def test_a_plan_finds_what_no_corpus_will_hold(overrides: tuple[str, ...], message: str) -> None:
    with pytest.raises(RecipeError, match=message) as refused:
        plan.build(recipe.load("quickstart", overrides))
    assert "\n" not in str(refused.value)


OWN = (
    "stages.data.cards=[slake]",
    "+stages.data.card_splits={slake:{train:train,validation:held_out}}",
    "pipeline=[data,base,shallow]",
)


def test_tasks_of_rows_are_known_to_the_data_alone() -> None:
    """A card of rows in the place of the pictures, as a user's own recipe has it."""
    assert plan.build(recipe.load("quickstart", OWN)).stages
    with pytest.raises(
        RecipeError, match=r"stages\.shallow\.data: stage 'data' leaves no split 'validation'"
    ):
        plan.build(recipe.load("quickstart", (*OWN, "stages.shallow.data=[{corpus:data,split:validation}]")))


def test_a_card_or_a_split_named_twice_is_a_mistake_of_the_recipe() -> None:
    with pytest.raises(RecipeError, match=r"stages\.data\.cards: slake stands twice"):
        recipe.load("quickstart", ("stages.data.cards=[slake,slake]", *OWN[1:]))
    with pytest.raises(RecipeError, match=r"stages\.data\.splits: train stands twice"):
        recipe.load("quickstart", (*OWN, "+stages.data.splits=[train,train]"))


def test_tasks_of_rows_are_told_by_the_plan_once_the_corpus_is_there(tmp_path: Path) -> None:
    """Also of a corpus that was prepared before: a misspelt task is found before anything runs."""
    wrong = (*OWN, f"output={tmp_path}", "stages.shallow.data=[{corpus:data,tasks:[closed_vqq]}]")
    planned = plan.build(recipe.load("quickstart", wrong))
    summary = {"tasks": {"closed_vqa": {"train": 3}, "caption": {"held_out": 2, "train": 1}}}
    folder = planned.stages[0].path / "corpus"
    folder.mkdir(parents=True)
    (folder / "corpus.json").write_text(json.dumps(summary))
    with pytest.raises(
        RecipeError,
        match=r"stages\.shallow\.data: unknown task 'closed_vqq'; stage 'data' has in split 'train': caption, closed_vqa$",
    ):
        plan.build(recipe.load("quickstart", wrong))
    assert plan.build(recipe.load("quickstart", (*wrong[:-1], "stages.shallow.data=[{corpus:data}]"))).stages
    before = (*wrong, f"+stages.data.prepared={folder}", f"output={tmp_path / 'other'}")
    with pytest.raises(RecipeError, match="unknown task 'closed_vqq'"):
        plan.build(recipe.load("quickstart", before))
