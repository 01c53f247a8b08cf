"""Questions about images, in the layouts of their publishers."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from format_files import content, png, put, put_csv, put_parquet, read

from lingshu_train.errors import DataError
from lingshu_train.verify import gold_problem

SLAKE = {
    "img_id": 1,
    "img_name": "xmlab1/source.jpg",
    "question": "Which organ is enlarged?",
    "answer": "Heart",
    "q_lang": "en",
    "modality": "X-Ray",
    "answer_type": "OPEN",
    "qid": 11,
}


def test_slake_gives_english_and_chinese_rows_with_the_case_as_group(tmp_path: Path) -> None:
    put(tmp_path / "imgs" / "xmlab1" / "source.jpg", png(200))
    chinese = {
        **SLAKE,
        "question": "心脏增大吗？",
        "answer": "是",
        "q_lang": "zh",
        "answer_type": "CLOSED",
        "qid": 12,
    }
    put(tmp_path / "train.json", [SLAKE, chinese])
    first, second = read("slake_json", tmp_path, {"files": {"train": "train.json"}})
    assert (first.sample.id, first.sample.question_type, first.sample.task) == (
        "train.json#1:11",
        "short",
        "open_vqa",
    )
    assert (first.sample.group, first.sample.modality, first.sample.split) == ("xmlab1", "X-Ray", "train")
    assert content(first.images[0]) == png(200)
    assert (second.sample.question_type, second.sample.answer) == ("yes_no", "是")
    english = read("slake_json", tmp_path, {"files": {"train": "train.json"}, "languages": ["en"]})
    assert [row.sample.question for row in english] == [SLAKE["question"]]


def test_a_bad_slake_row_names_file_line_and_field(tmp_path: Path) -> None:
    put(
        tmp_path / "train.json",
        '[\n{"img_name": "a/b.jpg", "question": "Q", "answer": "A", "answer_type": "OPEN"},\n{}\n]',
    )
    with pytest.raises(DataError, match=r"train\.json:3: img_name: is missing"):
        read("slake_json", tmp_path, {"files": {"train": "train.json"}})
    put(tmp_path / "train.json", [{**SLAKE, "answer_type": "HALF"}])
    with pytest.raises(DataError, match=r"train\.json:2: answer_type: must be OPEN or CLOSED, got 'HALF'"):
        read("slake_json", tmp_path, {"files": {"train": "train.json"}})


PMC_HEAD = [
    "index",
    "Figure_path",
    "Caption",
    "Question",
    "Choice A",
    "Choice B",
    "Choice C",
    "Choice D",
    "Answer",
    "split",
]
PMC_ROW = [
    "0",
    "PMC1_F1.png",
    "A figure, with a comma",
    "What is seen?",
    " A:CT ",
    "B: MRI",
    "C",
    "D. PET",
    "B",
    "test",
]


def test_pmc_vqa_strips_the_letters_that_some_options_carry(tmp_path: Path) -> None:
    put(tmp_path / "figures" / "PMC1_F1.png", png(90))
    put_csv(tmp_path / "test_2.csv", [PMC_HEAD, PMC_ROW])
    (row,) = read("pmc_vqa_csv", tmp_path, {"files": {"test": "test_2.csv"}}, split="test")
    assert row.sample.options == {"A": "CT", "B": "MRI", "C": "C", "D": "PET"}
    assert (row.sample.answer, row.sample.group, row.sample.question_type) == ("B", "PMC1", "mcq")
    assert row.images[0].exists()


def test_pmc_vqa_version_1_takes_the_letter_from_answer_label(tmp_path: Path) -> None:
    head = [
        "Figure_path",
        "Question",
        "Answer",
        "Choice A",
        "Choice B",
        "Choice C",
        "Choice D",
        "Answer_label",
    ]
    put_csv(
        tmp_path / "train.csv", [head, ["PMC2_F1.jpg", "What?", "MRI", "A:CT", "B:MRI", "C:US", "D:PET", "B"]]
    )
    (row,) = read("pmc_vqa_csv", tmp_path, {"files": {"train": "train.csv"}})
    assert (row.sample.answer, row.sample.options["B"]) == ("B", "MRI")


@pytest.mark.parametrize(
    ("column", "value", "fault"),
    [
        (8, "E", "Answer: must be one letter of ABCD, got 'E'"),
        (6, "", "Choice C: is empty"),
        (1, "", "Figure_path: is empty"),
    ],
)
def test_a_bad_pmc_vqa_row_names_file_line_and_field(
    tmp_path: Path, column: int, value: str, fault: str
) -> None:
    bad = [*PMC_ROW[:column], value, *PMC_ROW[column + 1 :]]
    put_csv(tmp_path / "test_2.csv", [PMC_HEAD, PMC_ROW, bad])
    with pytest.raises(DataError) as raised:
        read("pmc_vqa_csv", tmp_path, {"files": {"test": "test_2.csv"}}, split="test")
    assert str(raised.value) == f"{tmp_path / 'test_2.csv'}:3: {fault}"


def test_vqa_parquet_reads_embedded_images_over_several_files(tmp_path: Path) -> None:
    for number, (answer, shade) in enumerate((("Yes", 50), ("left lung", 50), ("3", 120))):
        rows = [{"image": {"bytes": png(shade), "path": None}, "question": f"Q{number}", "answer": answer}]
        put_parquet(tmp_path / "data" / f"train-0000{number}-of-00003.parquet", rows)
    rows = read("vqa_parquet", tmp_path, {"files": {"train": "data/train-*.parquet"}})
    assert [row.sample.question_type for row in rows] == ["yes_no", "short", "numeric"]
    assert rows[0].sample.group == rows[1].sample.group != rows[2].sample.group
    assert rows[2].images[0].digest() == hashlib.sha256(png(120)).hexdigest()


def test_a_parquet_row_without_image_bytes_or_answer_names_row_and_field(tmp_path: Path) -> None:
    good = {"image": {"bytes": png(1), "path": "a.png"}, "question": "Q", "answer": "yes"}
    put_parquet(tmp_path / "t.parquet", [good, {**good, "image": {"bytes": None, "path": None}}])
    with pytest.raises(DataError, match=r"t\.parquet:2: image: has neither image bytes nor a path"):
        read("vqa_parquet", tmp_path, {"files": {"train": "t.parquet"}})
    put_parquet(tmp_path / "t.parquet", [good, {**good, "answer": None}])
    with pytest.raises(DataError, match=r"t\.parquet:2: answer: is empty"):
        read("vqa_parquet", tmp_path, {"files": {"train": "t.parquet"}})


OMNI = {
    "dataset": "ACRIMA",
    "question_id": "ACRIMA_0000",
    "question_type": "Disease Diagnosis",
    "question": "What disease is shown?",
    "gt_answer": "Glaucoma",
    "image_path": "Images/ACRIMA/Im1.png",
    "option_A": "Cataract",
    "option_B": "Glaucoma",
    "modality_type": "Fundus Photography",
}


def test_omnimedvqa_turns_the_answer_text_into_its_letter_over_all_files(tmp_path: Path) -> None:
    folder = tmp_path / "QA_information" / "Open-access"
    put(folder / "ACRIMA.json", [OMNI])
    put(folder / "BCCD.json", [{**OMNI, "question_id": "B_0", "option_C": "None", "option_D": "Uveitis"}])
    rows = read(
        "omnimedvqa_json", tmp_path, {"files": {"test": "QA_information/Open-access/*.json"}}, split="test"
    )
    assert [(row.sample.id.partition(":")[2], row.sample.answer) for row in rows] == [
        ("ACRIMA_0000", "B"),
        ("B_0", "B"),
    ]
    assert list(rows[0].sample.options) == ["A", "B"] and list(rows[1].sample.options) == ["A", "B", "C", "D"]
    assert rows[0].images[0].path == tmp_path / "Images" / "ACRIMA" / "Im1.png"
    with pytest.raises(DataError, match=r"Im1\.png: image file is missing"):
        rows[0].images[0].digest()


def test_of_two_equal_omnimedvqa_options_the_first_stays_and_the_row_says_so(tmp_path: Path) -> None:
    put(tmp_path / "q.json", [{**OMNI, "option_C": "Uveitis", "option_D": "Glaucoma"}, OMNI])
    twice, once = read("omnimedvqa_json", tmp_path, {"files": {"test": "q.json"}}, split="test")
    assert twice.sample.options == {"A": "Cataract", "B": "Glaucoma", "C": "Uveitis"}
    assert (twice.sample.answer, twice.notes) == ("B", ("an option that stood twice",))
    assert once.notes == ()


def test_an_omnimedvqa_answer_outside_its_options_is_refused(tmp_path: Path) -> None:
    put(tmp_path / "q.json", [{**OMNI, "gt_answer": "Myopia"}])
    with pytest.raises(
        DataError, match=r"q\.json:2: gt_answer: 'Myopia' is none of the options: Cataract, Glaucoma"
    ):
        read("omnimedvqa_json", tmp_path, {"files": {"test": "q.json"}}, split="test")


def test_vqa_med_reads_three_and_four_fields_between_bars(tmp_path: Path) -> None:
    put(tmp_path / "QA.txt", "synpic1|what modality is shown?|ct\nsynpic2|plane|which plane?|axial\n")
    fields = {"files": {"train": "QA.txt"}, "images": {"train": "Train_images"}}
    first, second = read("vqa_med_txt", tmp_path, fields)
    assert (first.sample.question, first.sample.answer, first.sample.group) == (
        "what modality is shown?",
        "ct",
        "synpic1",
    )
    assert (second.sample.question, second.images[0].path) == (
        "which plane?",
        tmp_path / "Train_images" / "synpic2.jpg",
    )
    put(tmp_path / "QA.txt", "synpic1|what is it?|ct\nsynpic2 no bars\n")
    with pytest.raises(DataError, match=r"QA\.txt:2: text: must have 3 or 4 fields between bars, got 1"):
        read("vqa_med_txt", tmp_path, fields)


MIMIC_VQA = {
    "subject_id": "10000032",
    "study_id": "50414267",
    "image_path": "p10/p10000032/s50414267/02aa804e.jpg",
    "answer": ["yes"],
    "split": "train",
    "idx": 13280,
    "image_id": "02aa804e",
    "question": "Are there signs of pleural effusion?",
    "content_type": "attribute",
    "semantic_type": "verify",
}


def test_mimic_cxr_vqa_gives_yes_no_and_sets_of_names_and_keeps_empty_answers(tmp_path: Path) -> None:
    names = {"semantic_type": "query", "answer": ["left lung", "right lung"]}
    put(tmp_path / "train.json", [MIMIC_VQA, {**MIMIC_VQA, **names}, {**MIMIC_VQA, **names, "answer": []}])
    fields = {"files": {"train": "train.json"}, "images": "../mimic_cxr/files"}
    rows = read("mimic_cxr_vqa_json", tmp_path, fields)
    assert [(row.sample.question_type, row.sample.answer) for row in rows] == [
        ("yes_no", "yes"),
        ("label_set", "left lung, right lung"),
        ("label_set", "none"),
    ]
    assert [gold_problem(row.sample) for row in rows] == [None, None, None]
    assert (rows[0].sample.group, rows[0].sample.id) == ("p10000032", "train.json#1:13280")
    assert rows[0].images[0].path == tmp_path / "../mimic_cxr/files" / MIMIC_VQA["image_path"]


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"answer": "yes"}, "answer: must be a list of texts"),
        ({"answer": ["maybe"]}, "answer: must be yes or no, got ['maybe']"),
        ({"semantic_type": "guess"}, "semantic_type: must be one of verify, choose, query, got 'guess'"),
        ({"image_path": ""}, "image_path: is empty"),
    ],
)
def test_a_bad_mimic_cxr_vqa_row_names_file_line_and_field(
    tmp_path: Path, change: dict[str, Any], fault: str
) -> None:
    put(tmp_path / "train.json", json.dumps([{**MIMIC_VQA, **change}]))
    with pytest.raises(DataError) as raised:
        read("mimic_cxr_vqa_json", tmp_path, {"files": {"train": "train.json"}})
    assert str(raised.value) == f"{tmp_path / 'train.json'}:1: {fault}"
