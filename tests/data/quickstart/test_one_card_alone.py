"""Every task of every package card by itself: samples, or one line that names what lacks."""

from __future__ import annotations

from pathlib import Path

import pytest

from lingshu_train.data.cards import card as cards
from lingshu_train.data.quickstart import samples
from lingshu_train.errors import DataError, RecipeError

PACKAGES = [name for name in cards.names() if name.startswith("package_")]


@pytest.mark.parametrize("name", PACKAGES)
def test_a_task_without_a_fitting_picture_is_named(name: str) -> None:
    card = cards.load(name)
    root = cards.root(card, Path("data"))
    if root is None:
        pytest.skip(f"the package of {name} is not installed")
    asking = samples.questions([(card, root)], side=56, seed=0)
    made = 0
    for split in ("train", "held_out"):
        for task in samples.TASKS:
            for n in range(4):
                try:
                    sample, _ = asking.sample(split, task, n)
                    made += sample.task == task
                except DataError as fault:
                    line = str(fault)
                    assert "\n" not in line
                    assert line.startswith((f"questions.{task}: ", f"no picture in split {split!r}"))
    assert made


def test_views_too_small_for_lesions_are_an_error_of_the_recipe() -> None:
    card = cards.load("package_pydicom")
    root = cards.root(card, Path("data"))
    if root is None:
        pytest.skip("pydicom is not installed")
    with pytest.raises(RecipeError, match="image_size: 28 is too small"):
        samples.questions([(card, root)], side=28, seed=0).sample("train", "modality", 0)
