"""Rows that hold what a withdrawn row holds are found by picture, by long text and, where asked, by looks; chance likeness is not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tiny
from PIL import Image

from lingshu_train.forgetting import copies
from lingshu_train.forgetting.copies import ALIKE, MADE_FROM, SAME_PICTURE, SAME_TEXT
from lingshu_train.record import Sample
from lingshu_train.runs.stage import Stage

REPORT = "No focal consolidation. A small left pleural effusion is seen, unchanged since the prior study."


FORM = "Look at the picture closely, and answer in one word: is anything out of the ordinary to be seen?"
LETTER = "Mrs K., 71, was seen on the ward with a cough of three weeks; what does her radiograph show?"


def sample(
    name: str,
    *,
    answer: str = "yes",
    question: str = "What is seen?",
    turns: tuple[tuple[str, str], ...] = (),
    parents: tuple[str, ...] = (),
) -> Sample:
    return Sample(
        id=name,
        card="drawn",
        split="train",
        task="report",
        question=question,
        question_type="free",
        answer=answer,
        turns=turns,
        group=name,
        modality="drawn",
        parents=parents,
    )


def picture(seed: int) -> Image.Image:
    draw = np.random.default_rng(seed)
    return Image.fromarray(draw.integers(20, 220, (8, 9), dtype=np.uint8)).resize((84, 56))


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    one = picture(1)
    brighter = one.point(lambda value: min(255, value + 12)).resize((112, 84))
    rows = [
        (sample("withdrawn", answer=REPORT), (one,)),
        (sample("same-picture"), (one,)),
        (sample("same-text", answer=f" {REPORT.upper()} "), ()),
        (sample("told-before", turns=(("And then?", REPORT),)), ()),
        (sample("looks-alike"), (brighter,)),
        (sample("another"), (picture(2),)),
        (sample("short-answer"), (picture(3),)),
    ]
    tiny.write_corpus(tmp_path / "data" / "corpus", rows)
    prepare = {"kind": "prepare", "cards": ["package_pydicom"]}
    return tiny.make_stage(tmp_path, "data", prepare, parents={})


def found(stage: Stage, row: int, *, near: bool) -> dict[str, str]:
    every = copies.find({"data": np.array([row])}, [stage], near=near)
    return {one.id: one.why for one in every}


def test_the_same_picture_and_a_long_text_are_found_and_the_row_itself_is_not(stage: Stage) -> None:
    assert found(stage, 0, near=False) == {
        "same-picture": SAME_PICTURE,
        "same-text": SAME_TEXT,
        "told-before": SAME_TEXT,
    }


def test_a_picture_that_was_scaled_and_brightened_is_found_only_where_asked(stage: Stage) -> None:
    assert found(stage, 0, near=True).get("looks-alike") == ALIKE
    assert "another" not in found(stage, 0, near=True)


def test_a_short_answer_that_many_have_is_no_copy(stage: Stage) -> None:
    assert found(stage, 6, near=True) == {}


def test_a_long_question_is_a_copy_where_few_rows_have_it_and_a_form_where_many_do(tmp_path: Path) -> None:
    rows: list[tuple[Sample, tuple[Image.Image, ...]]] = [
        (sample("withdrawn", question=LETTER, turns=((FORM, "no"),)), ()),
        (sample("same-letter", question=f"{LETTER.upper()} "), ()),
        (sample("letter-before", turns=((LETTER, "see below"),)), ()),
        *((sample(f"form-{n}", question=FORM), ()) for n in range(30)),
    ]
    tiny.write_corpus(tmp_path / "data" / "corpus", rows)
    stage = tiny.make_stage(tmp_path, "data", {"kind": "prepare", "cards": ["package_pydicom"]}, parents={})
    assert found(stage, 0, near=False) == dict.fromkeys(
        ("same-letter", "letter-before"), copies.SAME_QUESTION
    )


def test_what_was_made_from_a_row_is_found_through_every_corpus_and_generation(tmp_path: Path) -> None:
    """A row is named by its whole id or by the publisher's own; one that names itself, or two each other, end the search."""
    first = sample("qa/train.json#12.1:VQA_0012")
    made = {
        "taught": [first, sample("other", parents=("VQA_0013",)), sample("seen", parents=("seen",))],
        "written": [sample("child", parents=("VQA_0012", "VQA_0700")), sample("loop", parents=("again",))],
        "again": [
            sample("grandchild", parents=("elsewhere", "child")),
            sample("again", parents=("loop", "grandchild")),
        ],
    }
    stages = []
    for name, rows in made.items():
        tiny.write_corpus(tmp_path / name / "corpus", [(one, ()) for one in rows])
        prepare = {"kind": "prepare", "cards": ["package_pydicom"]}
        stages.append(tiny.make_stage(tmp_path, name, prepare, parents={}))
    found = copies.find({"taught": np.array([0])}, stages, near=False)
    assert {(one.corpus, one.id, one.why) for one in found} == {
        ("written", "child", MADE_FROM),
        ("written", "loop", MADE_FROM),
        ("again", "grandchild", MADE_FROM),
        ("again", "again", MADE_FROM),
    }
