"""A corpus gives back what was written, and says which sample is hurt when a file is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from lingshu_train.data import corpus
from lingshu_train.errors import DataError, MissingInput, RecipeError
from lingshu_train.record import Sample


def row(number: int, *, task: str = "modality", split: str = "train", answer: str = "CT") -> corpus.Row:
    sample = Sample(
        id=f"{split}/{task}/{number}",
        card="made_up",
        split=split,
        task=task,
        question="Which imaging modality is this?",
        question_type="short",
        answer=answer,
        aliases=("computed tomography",),
        modality="ct",
    )
    return sample, (Image.new("RGB", (4, 4), (number, 0, 0)),)


ROWS = [row(1), row(2), row(3, split="held_out"), row(4, task="body_part", answer="head")]


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    summary = corpus.write(tmp_path, ROWS)
    found = corpus.load(tmp_path)
    assert [replace(sample, images=()) for sample in found.samples] == [sample for sample, _ in ROWS]
    assert [found.images(sample)[0].getpixel((0, 0)) for sample in found.samples] == [
        (n, 0, 0) for n in (1, 2, 3, 4)
    ]
    assert found.fingerprint == summary.fingerprint
    assert summary.tasks == {"modality": {"train": 2, "held_out": 1}, "body_part": {"train": 1}}


def test_split_and_tasks_select(tmp_path: Path) -> None:
    corpus.write(tmp_path, ROWS)
    assert [sample.id for sample in corpus.load(tmp_path, split="held_out").samples] == [
        "held_out/modality/3"
    ]
    assert len(corpus.load(tmp_path, tasks=("modality",)).samples) == 3


def test_an_image_used_twice_is_stored_once(tmp_path: Path) -> None:
    sample, pictures = ROWS[0]
    summary = corpus.write(tmp_path, [ROWS[0], (replace(sample, id="again"), pictures)])
    assert (summary.samples, summary.images) == (2, 1)
    assert len(list((tmp_path / "images").rglob("*.png"))) == 1


def test_a_changed_row_changes_the_fingerprint(tmp_path: Path) -> None:
    first = corpus.write(tmp_path / "a", ROWS).fingerprint
    sample, pictures = ROWS[0]
    assert (
        corpus.write(tmp_path / "b", [(replace(sample, answer="MRI"), pictures), *ROWS[1:]]).fingerprint
        != first
    )


def test_unknown_tasks_and_splits_list_what_there_is(tmp_path: Path) -> None:
    corpus.write(tmp_path, ROWS)
    with pytest.raises(RecipeError, match=r"unknown task 'plane'; .* has: body_part, modality"):
        corpus.load(tmp_path, tasks=("plane",))
    with pytest.raises(RecipeError, match=r"unknown split 'test'; .* has: held_out, train"):
        corpus.load(tmp_path, split="test")


@pytest.mark.parametrize("damage", ["missing", "corrupt"])
def test_a_hurt_image_names_the_sample(tmp_path: Path, damage: str) -> None:
    corpus.write(tmp_path, ROWS)
    found = corpus.load(tmp_path)
    (name,) = found.samples[1].images
    path = tmp_path / "images" / name[:2] / f"{name}.png"
    path.unlink() if damage == "missing" else path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(DataError, match=r"sample train/modality/2: image .*; prepare the corpus again"):
        found.image(name)


def test_a_gold_answer_the_verifier_cannot_read_is_refused_and_counted(tmp_path: Path) -> None:
    sample, pictures = ROWS[0]
    bad = replace(sample, id="bad", question_type="mcq", answer="Z", options={"A": "CT", "B": "MRI"})
    summary = corpus.write(tmp_path, [*ROWS, (bad, pictures)])
    assert summary.samples == 4
    assert sum(summary.refused.values()) == 1 and next(iter(summary.refused)).startswith("modality: ")


def test_a_caption_is_kept_although_no_rule_can_judge_it(tmp_path: Path) -> None:
    sample, pictures = ROWS[0]
    caption = replace(sample, question_type="free", answer="An axial CT image of the head.", aliases=())
    assert corpus.write(tmp_path, [(caption, pictures)]).refused == {}


def test_an_id_that_occurs_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="sample train/modality/1: the id occurs twice"):
        corpus.write(tmp_path, [ROWS[0], ROWS[0]])


def test_a_broken_row_names_its_line(tmp_path: Path) -> None:
    corpus.write(tmp_path, ROWS)
    path = tmp_path / "rows.jsonl"
    path.write_text(path.read_text().splitlines()[0] + "\n{half")
    with pytest.raises(DataError, match=r"rows\.jsonl:2: not a sample"):
        corpus.load(tmp_path)


def test_a_folder_without_a_corpus_is_missing_input(tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match="no corpus here"):
        corpus.load(tmp_path)
