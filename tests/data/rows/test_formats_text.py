"""Dialogues, instructions and multiple choice, in the layouts of their publishers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from format_files import content, png, put, put_parquet, read

from lingshu_train.data.rows.row import Turn
from lingshu_train.errors import DataError


def dialogue(*texts: str, key: str = "conversations", **more: Any) -> dict[str, Any]:
    turns = [{"from": ("human", "gpt")[place % 2], "value": text} for place, text in enumerate(texts)]
    return {"id": "d1", key: turns, **more}


def test_llava_conversations_keep_earlier_turns_and_drop_image_marks(tmp_path: Path) -> None:
    put(
        tmp_path / "c.json",
        [dialogue("<image>\nWhat is it?", "A CT.", "Of what?", "The chest.", image="a.jpg")],
    )
    (row,) = read("llava_conversations", tmp_path, {"files": {"train": "c.json"}, "images": "images"})
    assert row.turns == (Turn(question="What is it?", answer="A CT."),)
    assert (row.sample.question, row.sample.answer, row.sample.question_type) == (
        "Of what?",
        "The chest.",
        "free",
    )
    assert row.images[0].path == tmp_path / "images" / "a.jpg"


def test_llava_conversations_read_the_misspelt_key_several_images_and_text_only_rows(tmp_path: Path) -> None:
    put(
        tmp_path / "m.json",
        [dialogue("Describe it.", "A film.", key="conversatons", image=["a.jpg", "b.jpg"])],
    )
    (row,) = read(
        "llava_conversations", tmp_path, {"files": {"train": "m.json"}, "conversations": "conversatons"}
    )
    assert [picture.name for picture in row.images] == ["a.jpg", "b.jpg"]
    put(
        tmp_path / "t.jsonl",
        "\n".join(json.dumps(item) for item in (dialogue("Hi", "Hello"), dialogue("?", "!", image="a"))),
    )
    kinds = {
        kind: read("llava_conversations", tmp_path, {"files": {"train": "t.jsonl"}, "rows": kind})
        for kind in ("text", "image")
    }
    assert [len(row.images) for row in kinds["text"] + kinds["image"]] == [0, 1]


def test_llava_conversations_read_role_and_content_with_a_system_message(tmp_path: Path) -> None:
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "<image>这是什么？"},
        {"role": "assistant", "content": "胸片。"},
    ]
    put_parquet(
        tmp_path / "z.parquet", [{"messages": messages, "images": [{"bytes": png(5), "path": "p.png"}]}]
    )
    fields = {"files": {"train": "z.parquet"}, "conversations": "messages", "image": "images"}
    (row,) = read("llava_conversations", tmp_path, fields)
    assert (row.sample.question, row.sample.answer, content(row.images[0])) == (
        "这是什么？",
        "胸片。",
        png(5),
    )


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        (dialogue("Q", "A", "Q2"), "must alternate question and answer and end with an answer"),
        (dialogue("<image><image>Q", "A", image="a.jpg"), "2 <image> marks for 1 images"),
        (dialogue("Q", " "), "answer 1 is empty"),
        ({"id": "x"}, "is missing"),
        ({"conversations": [{"from": "robot", "value": "Hi"}]}, "unknown speaker 'robot'"),
    ],
)
def test_a_bad_dialogue_names_file_line_and_field(tmp_path: Path, row: dict[str, Any], fault: str) -> None:
    put(tmp_path / "c.jsonl", json.dumps(dialogue("Q", "A")) + "\n\n" + json.dumps(row))
    with pytest.raises(DataError) as raised:
        read("llava_conversations", tmp_path, {"files": {"train": "c.jsonl"}})
    assert str(raised.value).startswith(f"{tmp_path / 'c.jsonl'}:3: conversations: {fault}")


MCQ = [
    pytest.param(
        {"question": "Q", "options": {"A": "x", "B": "y", "C": None}, "answer_idx": "B"},
        {"answer": "answer_idx"},
        id="medqa",
    ),
    pytest.param(
        {"question": "Q", "opa": "x", "opb": "y", "opc": "z", "opd": "w", "cop": 1},
        {"options": ["opa", "opb", "opc", "opd"], "answer": "cop", "answer_is": "index"},
        id="medmcqa",
    ),
    pytest.param(
        {"question": "Q", "choices": ["x", "y"], "answer": 1},
        {"options": ["choices"], "answer_is": "index"},
        id="mmlu",
    ),
    pytest.param(
        {
            "data": {
                "Question": "Q",
                "Context": ["One.", "Two."],
                "Options": {"A": "x", "B": "y"},
                "Correct Option": "B",
            }
        },
        {
            "record": "data",
            "question": "Question",
            "context": "Context",
            "options": ["Options"],
            "answer": "Correct Option",
        },
        id="pubmedqa",
    ),
    pytest.param(
        {"question": "Q", "options": ["x", "y"], "answer": "y", "discipline": "Medicine"},
        {"answer_is": "text", "where": {"discipline": "Medicine"}},
        id="supergpqa",
    ),
]


@pytest.mark.parametrize(("row", "fields"), MCQ)
@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_multiple_choice_is_read_from_every_benchmarks_own_columns(
    tmp_path: Path, row: dict[str, Any], fields: dict[str, Any], suffix: str
) -> None:
    path = tmp_path / f"test.{suffix}"
    put_parquet(path, [row]) if suffix == "parquet" else put(path, json.dumps(row))
    (found,) = read("mcq_text", tmp_path, {"files": {"test": path.name}, **fields}, split="test")
    assert found.sample.answer == "B" and found.sample.options["B"] == "y"
    assert found.sample.question == ("Context: One.\nTwo.\nQ" if "context" in fields else "Q")


def test_multiple_choice_keeps_the_wanted_rows_and_finds_their_images(tmp_path: Path) -> None:
    rows = [
        {
            "id": "MM-0",
            "question": "Q",
            "options": {"A": "x", "B": "y"},
            "label": "A",
            "images": ["1.jpg", "2.jpg"],
            "d": "Medicine",
        },
        {
            "id": "MM-1",
            "question": "Q",
            "options": {"A": "x", "B": "y"},
            "label": "A",
            "images": [],
            "d": "Law",
        },
    ]
    put(tmp_path / "MM" / "test.jsonl", "\n".join(map(json.dumps, rows)))
    fields = {
        "files": {"test": "MM/test.jsonl"},
        "answer": "label",
        "images": "images",
        "folder": "images",
        "where": {"d": "Medicine"},
    }
    (row,) = read("mcq_text", tmp_path, fields, split="test")
    assert [picture.path for picture in row.images] == [
        tmp_path / "images" / "1.jpg",
        tmp_path / "images" / "2.jpg",
    ]


def test_subjects_of_one_benchmark_are_named_in_braces(tmp_path: Path) -> None:
    for subject in ("anatomy", "virology", "law"):
        put_parquet(
            tmp_path / subject / "test-0.parquet", [{"question": subject, "choices": ["x", "y"], "answer": 0}]
        )
    fields = {
        "files": {"test": "{anatomy,virology}/test-*.parquet"},
        "options": ["choices"],
        "answer_is": "index",
    }
    assert [row.sample.question for row in read("mcq_text", tmp_path, fields, split="test")] == [
        "anatomy",
        "virology",
    ]


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"answer": "C"}, "answer: 'C' is none of the options A, B"),
        ({"options": {"A": "x"}}, "options: needs at least two options, got 1"),
        ({"options": "A or B"}, "options: must hold the options as a record or a list"),
        ({"question": " "}, "question: is empty"),
    ],
)
def test_a_bad_multiple_choice_row_names_file_line_and_field(
    tmp_path: Path, change: dict[str, Any], fault: str
) -> None:
    good = {"question": "Q", "options": {"A": "x", "B": "y"}, "answer": "A"}
    put(tmp_path / "t.jsonl", json.dumps(good) + "\n" + json.dumps({**good, **change}))
    with pytest.raises(DataError) as raised:
        read("mcq_text", tmp_path, {"files": {"test": "t.jsonl"}}, split="test")
    assert str(raised.value) == f"{tmp_path / 't.jsonl'}:2: {fault}"


def test_text_instructions_join_their_columns_and_carry_reasoning(tmp_path: Path) -> None:
    put(
        tmp_path / "t.json",
        [{"instruction": "Explain.", "input": "<noinput>", "output": "So.", "why": "Because."}],
    )
    (row,) = read("text_instruction", tmp_path, {"files": {"train": "t.json"}, "reasoning": "why"})
    assert (row.sample.question, row.sample.answer, row.sample.reasoning) == ("Explain.", "So.", "Because.")
    put(tmp_path / "t.json", [{"instruction": "Explain.", "input": "A rash.", "output": "So."}])
    (row,) = read("text_instruction", tmp_path, {"files": {"train": "t.json"}})
    assert row.sample.question == "Explain.\n\nA rash."


def test_text_instructions_read_lists_of_turns_without_their_speaker_marks(tmp_path: Path) -> None:
    put(
        tmp_path / "t.json",
        [{"id": "7", "data": ["问：头痛怎么办？", "答：多休息。", "问：还有呢？", "答：看医生。"]}],
    )
    (row,) = read("text_instruction", tmp_path, {"files": {"train": "t.json"}, "turns": "data"})
    assert row.turns == (Turn(question="头痛怎么办？", answer="多休息。"),)
    assert (row.sample.question, row.sample.answer) == ("还有呢？", "看医生。")


def test_an_instruction_without_question_or_answer_names_its_columns(tmp_path: Path) -> None:
    put(tmp_path / "t.jsonl", '{"instruction": "", "output": "So."}')
    with pytest.raises(DataError, match=r"t\.jsonl:1: instruction \+ input: no question"):
        read("text_instruction", tmp_path, {"files": {"train": "t.jsonl"}})
    put(tmp_path / "t.jsonl", '{"instruction": "Q", "output": null}')
    with pytest.raises(DataError, match=r"t\.jsonl:1: output: is empty"):
        read("text_instruction", tmp_path, {"files": {"train": "t.jsonl"}})


def test_apollo_reads_dialogues_that_are_plain_lists(tmp_path: Path) -> None:
    put(
        tmp_path / "train" / "sft" / "medicalExam_en_clean.json",
        [["Q: which vitamin?", "A: K"], ["1", "2", "3", "4"]],
    )
    put(tmp_path / "train" / "pretrain" / "medicalBook_en_qa.json", [["Why?", "Because."]])
    put(tmp_path / "train" / "pretrain" / "medicalBook_en_text.json", ["No question here."])
    fields = {"files": {"train": "train/{pretrain/*_qa,sft/*_clean}.json"}}
    first, second, third = read("apollo_json", tmp_path, fields)
    assert (first.sample.question, first.sample.id) == ("Why?", "train/pretrain/medicalBook_en_qa.json#1")
    assert (second.sample.question, second.sample.answer) == ("Q: which vitamin?", "A: K")
    assert third.turns == (Turn(question="1", answer="2"),) and third.sample.answer == "4"


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        (["Why?"], "dialogue: must be a list of questions and answers in turn"),
        (["Why?", " "], "dialogue: text 2 is empty"),
        ("Why?", "a row must be a record, got str"),
        ({"q": "Why?"}, "dialogue: is missing; the row has: q"),
    ],
)
def test_a_bad_apollo_dialogue_names_file_line_and_field(tmp_path: Path, row: Any, fault: str) -> None:
    put(tmp_path / "a.json", "[\n[1, 2],\n" + json.dumps(row) + "]")
    with pytest.raises(DataError) as raised:
        read("apollo_json", tmp_path, {"files": {"train": "a.json"}})
    assert str(raised.value) == f"{tmp_path / 'a.json'}:3: {fault}"


MMMU_IMAGE = {"bytes": png(4), "path": "validation_Pharmacy_1_1.png"}
MMMU = {
    "id": "validation_Pharmacy_1",
    "question": "Which of <image 1> and <image 2> fits?",
    "options": "['<image 2>', \"Raynaud's\", 'C']",
    "explanation": "",
    **{f"image_{number}": MMMU_IMAGE if number < 3 else None for number in range(1, 8)},
    "img_type": "['Plots and Charts']",
    "answer": "B",
    "topic_difficulty": "Medium",
    "question_type": "multiple-choice",
    "subfield": "Pharmacology",
}


def test_mmmu_reads_several_images_and_options_that_are_written_as_a_list(tmp_path: Path) -> None:
    opened = {**MMMU, "question_type": "open", "options": "[]", "answer": "['24/7', '3.43']"}
    put_parquet(tmp_path / "Pharmacy" / "validation-0.parquet", [MMMU, {**opened, "answer": "7"}, opened])
    rows = read(
        "mmmu_parquet", tmp_path, {"files": {"test": "{Pharmacy,X}/validation-*.parquet"}}, split="test"
    )
    assert rows[0].sample.question == "Which of <image> and <image> fits?"
    assert rows[0].sample.options == {"A": "<image>", "B": "Raynaud's", "C": "C"}
    assert rows[0].sample.answer == "B"
    assert len(rows[0].images) == 3, "the second picture is named twice"
    assert (rows[1].sample.question_type, rows[1].sample.answer) == ("numeric", "7")
    assert (rows[2].sample.answer, rows[2].sample.aliases) == ("24/7", ("3.43",))


def test_mmmu_pictures_come_in_the_order_in_which_they_are_read_and_unnamed_ones_first(
    tmp_path: Path,
) -> None:
    images = {f"image_{number}": {"bytes": png(number), "path": None} for number in range(1, 4)}
    row = {**MMMU, **images, "question": "Of <image 3>, choose.", "options": "['<image 1>', 'x', 'y']"}
    alone = {**MMMU, "question": "<image 1> <image 2>What is shown?", "options": "['x', 'y']"}
    put_parquet(tmp_path / "v.parquet", [row, alone])
    first, second = read("mmmu_parquet", tmp_path, {"files": {"test": "v.parquet"}}, split="test")
    assert first.sample.question == "<image>Of <image>, choose."
    assert first.sample.options["A"] == "<image>"
    assert [content(picture) for picture in first.images] == [png(2), png(3), png(1)]
    assert second.sample.question == "What is shown?", "before the question is where pictures stand anyway"
    assert len(second.images) == 2


def test_mmmu_answers_that_the_test_files_keep_back_come_from_the_file_that_the_card_names(
    tmp_path: Path,
) -> None:
    opened = {**MMMU, "id": "test_2", "question_type": "open", "options": "[]", "answer": "?"}
    put_parquet(tmp_path / "t.parquet", [{**MMMU, "id": "test_1", "answer": "?"}, opened])
    known = {
        "test_1": {"question_type": "multiple-choice", "ground_truth": "C"},
        "test_2": {"question_type": "open", "ground_truth": ["24/7", "3.43"]},
    }
    put(tmp_path / "answer.json", json.dumps(known))
    fields = {"files": {"test": "t.parquet"}, "answers": "answer.json"}
    choice, free = read("mmmu_parquet", tmp_path, fields, split="test")
    assert (choice.sample.answer, free.sample.answer, free.sample.aliases) == ("C", "24/7", ("3.43",))
    put_parquet(tmp_path / "t.parquet", [{**MMMU, "id": "test_9", "answer": "?"}])
    with pytest.raises(DataError, match=r"t\.parquet:1: id: 'test_9' has no answer in answer\.json"):
        read("mmmu_parquet", tmp_path, fields, split="test")


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (
            {"answer": "?"},
            "answer: is not public in the test files; use validation, or name a file of `answers`",
        ),
        ({"answer": "D"}, "answer: 'D' is none of the options A, B, C"),
        ({"options": "__import__('os').getcwd()"}, "options: must be a written list of texts"),
        ({"question": "<image 3>?"}, "question: <image 3> stands for no image; the row has 2"),
        ({"image_1": None}, "image_1: is empty, and 1 images are there"),
        ({"question_type": "essay"}, "question_type: must be multiple-choice or open, got 'essay'"),
    ],
)
def test_a_bad_mmmu_row_names_file_row_and_field(tmp_path: Path, change: dict[str, Any], fault: str) -> None:
    put_parquet(tmp_path / "v.parquet", [MMMU, {**MMMU, **change}])
    with pytest.raises(DataError) as raised:
        read("mmmu_parquet", tmp_path, {"files": {"test": "v.parquet"}}, split="test")
    assert str(raised.value) == f"{tmp_path / 'v.parquet'}:2: {fault}"


def test_a_dialogue_may_stand_as_messages_or_as_texts_in_turn(tmp_path: Path) -> None:
    fields = {"files": {"train": "t.jsonl"}, "turns": "data"}
    texts = {"data": ["问：Q", "答：A"]}
    messages = {"data": [{"from": "human", "value": "Q"}, {"from": "gpt", "value": "A"}]}
    put(tmp_path / "t.jsonl", f"{json.dumps(texts)}\n{json.dumps(messages)}")
    found = read("text_instruction", tmp_path, fields)
    assert [(row.sample.question, row.sample.answer) for row in found] == [("Q", "A")] * 2
