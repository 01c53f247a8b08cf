"""Rows that other files of the publisher keep out: a benchmark's pictures and patients do not come into training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from format_files import card_of, png, put, put_csv, put_parquet, read

from lingshu_train.data.rows import reading, withheld
from lingshu_train.data.rows.row import Skipped
from lingshu_train.errors import DataError, MissingInput


@pytest.fixture(autouse=True)
def _nothing_remembered() -> None:
    withheld._names.cache_clear()


def slake(case: str, number: int) -> dict[str, object]:
    return {
        "img_name": f"{case}/source.jpg",
        "question": f"Question {number}?",
        "answer": "Heart",
        "q_lang": "en",
        "answer_type": "OPEN",
        "qid": number,
    }


def questions(root: Path, without: object, split: str = "train") -> list[str]:
    files = {"train": "train.json", "validation": "validation.json", "test": "test.json"}
    return [
        row.sample.question
        for row in read("slake_json", root, {"files": files, "without": without}, split=split)
    ]


@pytest.fixture
def splits(tmp_path: Path) -> Path:
    """Picture a is in train and test, b in train and validation, c in train, d in validation, e in test alone."""
    put(tmp_path / "train.json", [slake(case, n) for n, case in enumerate("abc")])
    put(tmp_path / "validation.json", [slake(case, n) for n, case in enumerate("bd", start=10)])
    put(tmp_path / "test.json", [slake(case, n) for n, case in enumerate("ae", start=20)])
    return tmp_path


TEST = {"files": "test.json", "column": "img_name"}
TRAIN = {"files": "train.json", "column": "img_name"}


def test_a_training_row_whose_picture_is_in_the_test_file_is_left_out(splits: Path) -> None:
    assert questions(splits, []) == ["Question 0?", "Question 1?", "Question 2?"]
    assert questions(splits, [TEST]) == ["Question 1?", "Question 2?"]


def test_one_rule_may_hold_for_one_split_and_another_for_all(splits: Path) -> None:
    both = [TEST, {**TRAIN, "splits": ["validation"]}]
    assert questions(splits, both) == ["Question 1?", "Question 2?"]
    assert questions(splits, both, split="validation") == ["Question 11?"]
    assert questions(splits, [{**TRAIN, "splits": ["test"]}], split="test") == ["Question 21?"]


def test_pictures_that_stand_in_the_rows_are_compared_by_their_bytes(tmp_path: Path) -> None:
    def shown(shade: int, question: str) -> dict[str, Any]:
        return {"image": {"bytes": png(shade), "path": None}, "question": question, "answer": "yes"}

    put_parquet(tmp_path / "train.parquet", [shown(1, "One?"), shown(2, "Two?")])
    put_parquet(tmp_path / "test.parquet", [shown(2, "Three?")])
    fields = {"files": {"train": "train.parquet"}, "without": [{"files": "test.parquet", "column": "image"}]}
    assert [row.sample.question for row in read("vqa_parquet", tmp_path, fields)] == ["One?"]


def test_a_patient_is_kept_out_by_the_column_that_names_patients(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        put(tmp_path / name, png(1 if name == "a.png" else 2))
    put_csv(
        tmp_path / "train.csv",
        [["image", "question", "answer", "who"], ["a.png", "A?", "yes", "p1"], ["b.png", "B?", "no", "p2"]],
    )
    put_csv(tmp_path / "held.csv", [["patient"], ["p1"], ["p9"]])
    fields = {
        "files": {"train": "train.csv"},
        "group": "who",
        "without": [{"files": "held.csv", "column": "patient"}],
    }
    assert [row.sample.question for row in read("table", tmp_path, fields)] == ["B?"]


def test_a_list_that_is_not_there_or_lacks_the_column_ends_the_reading_before_the_first_row(
    splits: Path,
) -> None:
    with pytest.raises(MissingInput, match=r"no file matches 'other.json'"):
        questions(splits, [{"files": "other.json", "column": "img_name"}])
    with pytest.raises(DataError, match=r"test\.json:\d+: picture: is missing; the row has: .*img_name"):
        questions(splits, [{"files": "test.json", "column": "picture"}])


def test_a_split_that_the_card_does_not_have_is_an_error_of_the_card(splits: Path) -> None:
    with pytest.raises(DataError, match="without: no split 'dev'; `files` has: train, validation, test"):
        questions(splits, [{**TEST, "splits": ["dev"]}])


def test_what_is_left_out_is_counted(splits: Path) -> None:
    fields = {"files": {"train": "train.json"}, "without": [TEST]}
    reader = reading.open(card_of("slake_json", fields), splits, split="train")
    found = [one for line in reader.lines() for one in reader.all(line)]
    assert [one.reason for one in found if isinstance(one, Skipped)] == [withheld.SHARED]
    assert len(found) == 3
