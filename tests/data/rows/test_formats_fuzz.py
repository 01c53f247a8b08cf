"""Whatever a row holds, its reader gives samples or a DataError that names its place: nothing else leaves it."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from format_files import card_of, put

from lingshu_train.data.rows import reading
from lingshu_train.errors import DataError

ODD: list[Any] = [
    *(
        None,
        "",
        " ",
        "x",
        "\ud800",
        "一",
        "/etc/x",
        "../x",
        "a://b",
        "['a']",
        "[" * 500,
        "x" * 300,
        "a\0b",
        "?",
        "1e400",
    ),
    *(0, -1, 7, 2.5, float("nan"), True, 10**30),
    *([], {}, [[]], [None], [1, 2], ["a", "b"], {"a": 1}, {"1": []}, [{}], {"bytes": "x"}, {"path": 3}),
]
WORDS = {"picture": "image", "modality": "CT"}
TALK = {"from": "human", "value": "Q"}, {"from": "gpt", "value": "A"}
CHOICE = {
    "question": "Q",
    "options": {"A": "x", "B": "y"},
    "answer": "A",
    "d": "M",
    "images": ["1.png"],
    "id": "1",
}
GOOD: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "slake_json": (
        {},
        {"img_name": "a/b.jpg", "question": "Q", "answer": "A", "answer_type": "OPEN", "qid": 1},
    ),
    "pmc_vqa_csv": (
        {},
        {"Figure_path": "a.png", "Question": "Q", "Answer": "A", **{f"Choice {c}": c for c in "ABCD"}},
    ),
    "vqa_parquet": ({"group": "g"}, {"image": {"path": "a.png"}, "question": "Q", "answer": "A", "g": "1"}),
    "omnimedvqa_json": (
        {},
        {"image_path": "a", "gt_answer": "x", "option_A": "x", "option_B": "y", "question": "Q"},
    ),
    "llava_conversations": ({}, {"id": "1", "image": "a.png", "conversations": list(TALK)}),
    "mcq_text": ({"where": {"d": "M"}, "images": "images"}, CHOICE),
    "text_instruction": ({"reasoning": "why"}, {"instruction": "Q", "input": "", "output": "A", "why": "W"}),
    "caption_pairs": ({}, {"image": "a.png", "caption": "C", "image_id": "1"}),
    "caption_urls": ({}, {"image_url": "https://a/b.png", "caption": "C"}),
    "report_json": ({}, {"id": "1", "image": ["a.png"], "findings": "F", "impression": "I"}),
    "chexpert_plus_csv": (
        {"parts": {}},
        {"path_to_image": "a/b/c.jpg", "split": "train", "section_findings": "F"},
    ),
    "medicat_jsonl": (
        {"radiology": True},
        {"pdf_hash": "a", "fig_uri": "b.png", "fig_key": "F", "s2_caption": "C", "radiology": True},
    ),
    "medpix_json": ({}, {"image": "a", "U_id": "1", "Type": "CT", "Description": {"Caption": "C"}}),
    "mimic_cxr_vqa_json": (
        {},
        {
            "semantic_type": "query",
            "answer": ["a"],
            "image_path": "a.jpg",
            "idx": 1,
            "question": "Q",
            "subject_id": 1,
        },
    ),
    "mmmu_parquet": (
        {},
        {
            "id": "1",
            "answer": "A",
            "question_type": "open",
            "question": "Q",
            "options": "['a']",
            "image_1": {"path": "a"},
        },
    ),
    "labelled_images": (
        {"image": ["i"], "label": ["l"], "labels": {"a": "b", "c": "d"}, "group": "g", **WORDS},
        {"i": "a.png", "l": "a", "g": "1"},
    ),
    "deeplesion_csv": (
        WORDS,
        {
            **{
                "File_name": "1_1_1_1.png",
                "Train_Val_Test": "1",
                "Bounding_boxes": "1, 2, 3, 4",
                "Patient_index": "1",
            },
            **{
                "DICOM_windows": "1, 2",
                "Image_size": "9, 9",
                "Coarse_lesion_type": "1",
                "Possibly_noisy": "0",
            },
        },
    ),
    "apollo_json": ({}, {"dialogue": ["Q", "A"]}),
}


def variants(value: Any) -> Iterator[Any]:
    """The value with every place in it, in turn, holding each odd value, or not there."""
    yield from ODD
    if isinstance(value, dict | list):
        for place in value if isinstance(value, dict) else range(len(value)):
            for odd in variants(value[place]):
                changed = copy.copy(value)
                changed[place] = odd
                yield changed
            fewer = copy.copy(value)
            del fewer[place]
            yield fewer


@pytest.mark.parametrize("format", sorted(GOOD))
def test_any_row_gives_samples_or_a_data_error(tmp_path: Path, format: str) -> None:
    fields, good = GOOD[format]
    card = card_of(format, {"files": {"train": "t.jsonl"}, **fields})
    path = put(tmp_path / "t.jsonl", "")
    reader = reading.open(card, tmp_path, split="train")
    faults = 0
    for values in variants(good):
        put(path, json.dumps(values))
        for line in reader.lines():
            try:
                for row in reader.rows(line):
                    assert not any(image.exists() for image in row.images)
                    json.dumps([row.sample.question, row.sample.answer], ensure_ascii=False).encode()
            except DataError as fault:
                faults += 1
                assert str(fault).startswith(f"{path}:1: ") and "\n" not in str(fault)
    assert faults
    put(path, json.dumps(good))
    if format != "caption_urls":
        assert list(reader)
