"""Whatever a row holds, its reader gives samples or a DataError that names its place: nothing else leaves it."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from format_files import card_of, put

from lingshu_train.data.rows import reading
from lingshu_train.data.rows.line import missing, number, whole_number
from lingshu_train.data.rows.row import Row
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
SPELT = re.compile(r"None|[Nn]a[Nn]|NaT|True|\binf\b|\[|\{|null")


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


def words(row: Row) -> list[str]:
    """Every text of a row that a model reads or is judged by."""
    sample = row.sample
    turns = [text for turn in row.turns for text in (turn.question, turn.answer)]
    own = [sample.question, sample.answer, sample.reasoning, *sample.options.values(), *sample.aliases]
    return [*own, *turns, sample.group, sample.modality]


@pytest.mark.parametrize("format", sorted(GOOD))
def test_what_is_no_text_never_becomes_one_at_any_depth(tmp_path: Path, format: str) -> None:
    fields, good = GOOD[format]
    card = card_of(format, {"files": {"train": "t.jsonl"}, **fields})
    path = put(tmp_path / "t.jsonl", "\n".join(map(json.dumps, variants(good, NO_TEXT))))
    reader = reading.open(card, tmp_path, split="train")
    for line in reader.lines():
        try:
            rows = list(reader.rows(line))
        except DataError:
            continue
        # A report's section that is missing is written as None, on purpose.
        found = [text for row in rows if row.sample.task != "report" for text in words(row)]
        assert not [text for text in found if SPELT.search(text)], (path, line.number)


def test_a_missing_value_in_a_dialogue_refuses_its_row_and_among_options_drops_the_option(
    tmp_path: Path,
) -> None:
    dialogues = [
        ["What is CT?", None],
        ["What is CT?", float("nan")],
        ["q", ["a", "b"]],
        [None, "a"],
        ["q", True],
    ]
    put(tmp_path / "t.jsonl", "\n".join(json.dumps({"dialogue": one}) for one in dialogues))
    card = card_of("text_instruction", {"files": {"train": "t.jsonl"}, "turns": "dialogue"})
    reader = reading.open(card, tmp_path, split="train")
    for line in reader.lines():
        with pytest.raises(DataError, match=r"dialogue: text [12](: must be text| is empty)"):
            list(reader.rows(line))
    choices = [
        {"options": {"A": "CT", "B": "MR", "C": float("nan")}, "ctx": "c"},
        {"options": ["CT", None, "MR", float("nan")], "ctx": "c"},
        {"options": {"A": "CT", "B": "MR"}, "ctx": ["p", None]},
    ]
    rows = [{"question": "q", "answer": "A", **one} for one in choices]
    put(tmp_path / "t.jsonl", "\n".join(map(json.dumps, rows)))
    card = card_of("mcq_text", {"files": {"train": "t.jsonl"}, "context": "ctx"})
    reader = reading.open(card, tmp_path, split="train")
    first, second, third = reader.lines()
    assert [row.sample.options for row in reader.rows(first)] == [{"A": "CT", "B": "MR"}]
    assert [row.sample.options for row in reader.rows(second)] == [{"A": "CT", "C": "MR"}]
    with pytest.raises(DataError, match="ctx: paragraph 2 is empty"):
        list(reader.rows(third))


def test_nothing_is_what_pandas_calls_missing() -> None:
    import pandas

    assert all(map(missing, (None, float("nan"), pandas.NA, pandas.NaT)))
    assert not any(map(missing, ("", "nan", 0, False, [], {})))


@pytest.mark.parametrize("text", ["²", "٣", "1_0", "１", "+1", "1.0", "", "1" * 20])
def test_what_only_python_takes_for_a_whole_number_is_none(text: str) -> None:
    assert whole_number(text, digits=9) is None


@pytest.mark.parametrize("text", ["nan", "inf", "1e400", "1_0", "٣", "²", "0x10", "", ".", "1e"])
def test_what_only_python_takes_for_a_number_is_none(text: str) -> None:
    assert number(text) is None and number("-1.5e2") == -150.0
