"""Questions about drawn stand-in pictures (no package needed), and the prepare stage on the real packages."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import corpora
import numpy as np
import pytest
import tiny
from PIL import Image

from lingshu_train.data.cards import card as cards
from lingshu_train.data.quickstart import lesions, pool, samples, views
from lingshu_train.data.quickstart.package_images import LabelledPicture
from lingshu_train.data.quickstart.pixel_questions import SHARES
from lingshu_train.data.quickstart.two_steps import TWO_STEPS
from lingshu_train.errors import DataError, MissingInput, RecipeError
from lingshu_train.planning import recipe
from lingshu_train.runs.stage import Stage
from lingshu_train.stages.prepare import config as prepare

PACKAGES = [name for name in cards.names() if name.startswith("package_")]


def stand_in(number: int, plane: str, modality: str, body_part: str, side: str = "") -> LabelledPicture:
    noise = np.random.default_rng(number).integers(70, 190, (12, 12, 3), dtype=np.uint8)
    return LabelledPicture(
        image=Image.fromarray(noise).resize((120, 120), Image.Resampling.BICUBIC),
        name=f"picture-{number}",
        card="made_up",
        group=f"group-{number // 2}",
        split="train",
        modality=modality,
        body_part=body_part,
        plane=plane,
        view="",
        laterality=side,
        lesions=body_part == "head",
    )


PICTURES = [
    stand_in(0, "axial", "mri", "head"),
    stand_in(2, "coronal", "mri", "head"),
    stand_in(4, "sagittal", "ct", "head"),
    stand_in(6, "", "mammogram", "breast", "left"),
    stand_in(8, "", "mammogram", "breast", "right"),
]


@pytest.fixture(params=[56, 84])
def made_up(request: pytest.FixtureRequest) -> pool.Pool:
    return pool.pool(PICTURES, "train", side=request.param)


def drawn(pictures: pool.Pool, task: str, count: int, *, seed: int) -> list[samples.Illustrated]:
    return [samples.sample(pictures, task, n, seed=seed) for n in range(count)]


@pytest.mark.parametrize("task", samples.TASKS)
def test_the_nth_sample_depends_on_nothing_but_seed_split_task_and_n(made_up: pool.Pool, task: str) -> None:
    alone, (image,) = samples.sample(made_up, task, 5, seed=3)
    among, (same,) = drawn(made_up, task, 6, seed=3)[5]
    other, (different,) = samples.sample(made_up, task, 5, seed=4)
    assert alone == among and image.tobytes() == same.tobytes()
    assert image.tobytes() != different.tobytes()
    assert other.id == alone.id and image.size == (made_up.side, made_up.side) and image.mode == "RGB"


@pytest.mark.parametrize("task", samples.TASKS)
def test_questions_and_reasons_are_short(made_up: pool.Pool, task: str) -> None:
    for sample, _ in drawn(made_up, task, 8, seed=0):
        assert len(sample.question.split()) <= 25
        assert len(sample.reasoning.split()) <= (16 if task in TWO_STEPS else 10)
        assert (sample.question_type == "free") == (not sample.reasoning)


@pytest.mark.parametrize("task", [task for task in samples.TASKS if task != "caption"])
def test_no_constant_answer_does_well(made_up: pool.Pool, task: str) -> None:
    answers = Counter(sample.answer for sample, _ in drawn(made_up, task, 24, seed=0))
    assert max(answers.values()) <= 24 / min(len(answers), 8) + 1
    assert len(answers) >= 2


def test_the_bright_share_is_that_of_the_pixels(made_up: pool.Pool) -> None:
    for sample, (image,) in drawn(made_up, "bright_share", len(SHARES), seed=1):
        grey = np.asarray(image.convert("L"))
        assert abs(100 * np.mean(grey > 127) - float(sample.answer)) <= 4


@pytest.mark.parametrize("shade", ["bright", "dark"])
@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_every_drawn_disc_can_be_found_again(count: int, shade: lesions.Shade) -> None:
    tissue = Image.new("RGB", (56, 56), (120, 120, 120))
    drawn = lesions.draw(tissue, np.random.default_rng(count), count=count, shade=shade, radius=5.0)
    assert drawn is not None
    grey = np.asarray(drawn.convert("L"))
    marked = grey > 200 if shade == "bright" else grey < 30
    cells = marked.reshape(2, 28, 2, 28).any(axis=(1, 3))
    assert int(cells.sum()) == count
    assert marked.sum() == pytest.approx(count * np.pi * 5.5**2, rel=0.15)


def test_nothing_is_drawn_where_there_is_no_tissue() -> None:
    rng = np.random.default_rng(0)
    assert lesions.draw(Image.new("RGB", (56, 56)), rng, count=0, shade="dark", radius=4.0) is None


def test_a_view_is_never_mirrored() -> None:
    half = Image.new("RGB", (100, 100))
    half.paste((255, 255, 255), (0, 0, 50, 100))
    for seed in range(20):
        grey = np.asarray(views.cut(half, np.random.default_rng(seed), side=56, zoom=(0.8, 1.0)).convert("L"))
        assert grey[:, :20].mean() > grey[:, -20:].mean()


def test_a_picture_too_small_for_lesions_is_refused() -> None:
    with pytest.raises(RecipeError, match="image_size: 55 is too small for lesions; at least 56 pixels"):
        pool.pool(PICTURES, "train", side=55)


def test_a_split_without_pictures_says_so() -> None:
    with pytest.raises(DataError, match="no picture in split 'held_out': name more data cards"):
        samples.sample(pool.pool(PICTURES, "held_out", side=56), "modality", 0, seed=0)


def test_an_unknown_task_lists_the_known_ones() -> None:
    config = prepare.Config(
        kind="prepare", cards=("package_pydicom",), questions={"colour": prepare.Counts()}
    )
    with pytest.raises(
        RecipeError, match=r"stages\.data\.questions: unknown task 'colour'; there are: caption"
    ):
        config.check("stages.data")


def test_grpo_rewards_every_task_that_instruction_tuning_teaches() -> None:
    """What GRPO leaves out is forgotten while it trains on the rest."""
    found = {block.name: block.config for block in recipe.load("quickstart").stages}
    taught, rewarded = (
        {task for mix in found[name].data for task in mix.tasks} for name in ("instruct", "rl")
    )
    assert rewarded == taught == set(found["data"].questions) - {"caption"}


def stage_in(folder: Path, names: list[str], counts: dict[str, dict[str, int]]) -> Stage:
    config = {"kind": "prepare", "cards": names, "image_size": 56, "questions": counts}
    return tiny.make_stage(folder, "data", config, parents={})


def test_missing_data_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cards, "root", lambda card, data_root: None)
    with pytest.raises(MissingInput, match="pip install"):
        tiny.run_here(stage_in(tmp_path, ["package_pydicom"], {"modality": {"train": 1, "held_out": 0}}))


@pytest.mark.skipif(
    any(cards.root(cards.load(name), Path()) is None for name in PACKAGES),
    reason="needs the packages of the quickstart extra",
)
def test_preparing_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    counts = {task: {"train": 6, "held_out": 3} for task in samples.TASKS}
    results = [tiny.run_here(stage_in(tmp_path / name, PACKAGES, counts)) for name in ("first", "second")]
    assert results[0] == results[1]
    assert results[0]["refused"] == {}
    assert results[0]["splits"] == {"train": 6 * len(samples.TASKS), "held_out": 3 * len(samples.TASKS)}
    first, second = (corpora.contents(tmp_path / name / "data" / "corpus") for name in ("first", "second"))
    assert first == second


@pytest.mark.parametrize("task", samples.TASKS)
@pytest.mark.parametrize("bare", range(2))
def test_a_question_that_no_picture_can_be_asked_is_named(task: str, bare: int) -> None:
    """Fewer cards than the recipe's are a user's choice: what they cannot give is said, not found by a crash."""
    told = ({"lesions": False, "plane": "", "laterality": ""}, {"body_part": ""})[bare]
    alone = pool.pool([replace(PICTURES[0], **told)], "train", side=56)
    for n in range(4):
        try:
            samples.sample(alone, task, n, seed=0)
        except DataError as fault:
            assert str(fault).startswith(f"questions.{task}: no picture of the cards in split 'train'")
