"""Curation decides and says why; a curated corpus is the same files without the rows that were decided on."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import tiny
from PIL import Image

from lingshu_train import naming
from lingshu_train.curate import _steps
from lingshu_train.data.corpus import corpus, curated
from lingshu_train.errors import DataError, RecipeError
from lingshu_train.record import Sample
from lingshu_train.runs.stage import Stage
from lingshu_train.stages import _kinds as kinds


def sample(name: str, *, answer: str = "CT", split: str = "train") -> Sample:
    return Sample(
        id=name,
        card="made_up",
        split=split,
        task="modality",
        question="Which modality?",
        question_type="short",
        answer=answer,
        modality="ct",
    )


def picture(value: int, width: int = 80, height: int = 80) -> Image.Image:
    return Image.new("L", (width, height), value)


ROWS = [
    (sample("first"), (picture(1),)),
    (sample("small"), (picture(2, width=63),)),
    (sample("copy"), (picture(1),)),
    (sample("other answer", answer="MR"), (picture(1),)),
    (sample("copy elsewhere", split="held_out"), (picture(1),)),
    (sample("text"), ()),
]
STEPS = [{"name": "picture_size"}, {"name": "exact_duplicates"}]


@pytest.fixture
def parent(tmp_path: Path) -> Path:
    tiny.write_corpus(tmp_path / "raw" / "corpus", ROWS)
    return tmp_path / "raw"


def stage_in(folder: Path, parent: Path, **changes: object) -> Stage:
    config = {"kind": "curate", "corpus": "raw", "steps": STEPS, **changes}
    return tiny.make_stage(folder, "clean", config, parents={"raw": parent})


def test_a_curated_corpus_is_the_rows_minus_the_decisions(parent: Path, tmp_path: Path) -> None:
    stage = stage_in(tmp_path, parent)
    facts = tiny.run_here(stage)
    table = pq.read_table(stage.path / "decisions.parquet").to_pylist()
    assert [(line["sample"], line["step"], line["reason"]) for line in table] == [
        ("small", "picture_size", "a side under 64 pixels"),
        ("copy", "exact_duplicates", "same pictures, question and answer"),
    ]
    assert table[1]["evidence"] == "first"
    left = corpus.load(stage.path / "corpus")
    assert [one.id for one in left.samples] == ["first", "other answer", "copy elsewhere", "text"]
    assert (left.pictures(0)[0].size, left.pictures(3)) == ((80, 80), ())
    summary = corpus.read_summary(stage.path / "corpus")
    assert (summary.samples, summary.images) == (4, 1)
    assert summary.splits == {"train": 3, "held_out": 1}
    assert facts["dropped"] == {
        "exact_duplicates: same pictures, question and answer": 1,
        "picture_size: a side under 64 pixels": 1,
    }


def test_filters_see_only_the_rows_that_are_left(parent: Path, tmp_path: Path) -> None:
    # A choice of rows that was stored beside the whole corpus must not be taken for one of what is left of it.
    assert len(corpus.load(parent / "corpus", split="train")) == 5
    stage = stage_in(tmp_path, parent)
    tiny.run_here(stage)
    assert [one.id for one in corpus.load(stage.path / "corpus", split="train").samples] == [
        "first",
        "other answer",
        "text",
    ]


def test_no_row_and_no_picture_is_copied(parent: Path, tmp_path: Path) -> None:
    stage = stage_in(tmp_path, parent)
    tiny.run_here(stage)
    for name in ("rows-00000.arrow", "images-00000.tar"):
        ours, theirs = stage.path / "corpus" / name, parent / "corpus" / name
        assert os.path.samefile(ours, theirs), name


def test_what_is_decided_names_the_corpus(parent: Path, tmp_path: Path) -> None:
    found = corpus.load(parent / "corpus")
    one = curated.without(found, tmp_path / "one", np.array([1], np.uint32))
    again = curated.without(found, tmp_path / "again", np.array([1], np.uint32))
    other = curated.without(found, tmp_path / "other", np.array([2], np.uint32))
    assert one == again
    assert one.fingerprint != other.fingerprint != found.fingerprint


def test_a_curated_corpus_can_be_curated_again(parent: Path, tmp_path: Path) -> None:
    once = stage_in(tmp_path, parent, steps=[{"name": "picture_size"}])
    tiny.run_here(once)
    config = {"kind": "curate", "corpus": "clean", "steps": [{"name": "exact_duplicates"}]}
    twice = tiny.make_stage(tmp_path, "cleaner", config, parents={"clean": once.path})
    tiny.run_here(twice)
    both = stage_in(tmp_path / "both", parent)
    tiny.run_here(both)
    ids = [[one.id for one in corpus.load(each.path / "corpus").samples] for each in (twice, both)]
    assert ids[0] == ids[1]


def test_a_copy_in_another_split_goes_only_where_the_recipe_says_so(parent: Path, tmp_path: Path) -> None:
    steps = [{"name": "exact_duplicates", "params": {"across_splits": True}}]
    stage = stage_in(tmp_path, parent, steps=steps)
    tiny.run_here(stage)
    left = [one.id for one in corpus.load(stage.path / "corpus").samples]
    assert left == ["first", "small", "other answer", "text"]


def test_too_many_withdrawn_rows_stop_the_stage_with_the_reason(parent: Path, tmp_path: Path) -> None:
    steps = [{"name": "picture_size", "params": {"least_side": 2000}}]
    with pytest.raises(
        DataError, match=r"5 of 6 rows would go, more than most_withdrawn=0\.5; most for: pict"
    ):
        tiny.run_here(stage_in(tmp_path, parent, steps=steps))
    assert not (tmp_path / "clean" / "corpus").exists()


@pytest.mark.parametrize(
    ("steps", "line"),
    [
        (
            [{"name": "dedup"}],
            r"steps\.0\.name: unknown curate 'dedup'; curate/ has: caption_length, contra",
        ),
        (
            [{"name": "picture_size", "params": {"side": 3}}],
            r"steps\.0\.params\.side: unknown key; known keys: least",
        ),
    ],
)
def test_an_unknown_step_is_refused_before_anything_runs(steps: list[dict[str, object]], line: str) -> None:
    config = kinds.read({"kind": "curate", "corpus": "raw", "steps": steps}, where="stages.clean")  # type: ignore[dict-item]
    with pytest.raises(RecipeError, match=line):
        config.check("stages.clean")


@pytest.mark.parametrize("name", naming.components(_steps.PACKAGE))
def test_every_step_keeps_to_the_protocol(name: str) -> None:
    (step,) = _steps.load([_steps.StepChoice(name=name)], where="steps")  # Every parameter has a default.
    assert (step.judging is None) != (step.comparing is None), "judges rows one by one, or compares them"
    assert step.measuring is None or step.comparing is not None


# What a step that needs a model does is in test_model_steps.py.
@pytest.mark.parametrize(
    "name", sorted(set(naming.components(_steps.PACKAGE)) - {"modality_pictures", "presidio"})
)
def test_every_step_takes_rows_of_which_it_has_nothing_to_say(name: str, tmp_path: Path) -> None:
    rows = [(sample("text"), ()), (sample("seen", answer="MR"), (picture(7),))]
    tiny.write_corpus(tmp_path / "raw" / "corpus", rows)
    stage = stage_in(tmp_path, tmp_path / "raw", steps=[{"name": name}], most_withdrawn=0.0)
    tiny.run_here(stage)
    assert corpus.read_summary(stage.path / "corpus").samples == 2
