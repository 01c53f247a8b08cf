"""Rows of every layout of tables, and odd values to put at every place of them."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

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
    "table": (
        {
            "options": "choices",
            "group": "p",
            "id": "n",
            "modality": "m",
            "reasoning": "why",
            "answer_type_column": "k",
            "unit_column": "u",
        },
        {
            **{"image": ["a.png", "b.png"], "question": "Q", "choices": ["x", "y"], "answer": "A"},
            **{"p": 1, "n": 2, "m": "ct", "why": "W", "k": "mcq", "u": "mm"},
        },
    ),
}
NO_TEXT: list[Any] = [
    None,
    float("nan"),
    float("inf"),
    True,
    ["a", "b"],
    {"a": 1},
    [None],
    [float("nan")],
    [True],
]


def variants(value: Any, odds: list[Any] = ODD) -> Iterator[Any]:
    """The value with every place in it, in turn, holding each odd value, or not there."""
    yield from odds
    if isinstance(value, dict | list):
        for place in value if isinstance(value, dict) else range(len(value)):
            for odd in variants(value[place], odds):
                changed = copy.copy(value)
                changed[place] = odd
                yield changed
            fewer = copy.copy(value)
            del fewer[place]
            yield fewer
