"""Every row format reads files in the data set's own layout, and a bad row names file, line and field."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as arrow
import pyarrow.parquet as parquet
import pytest
from PIL import Image, ImageDraw

from lingshu_train.data import presence, tables
from lingshu_train.data.card import Card, Licence, Lingshu, Source
from lingshu_train.data.row import Row, Turn
from lingshu_train.errors import DataError, MissingInput, RecipeError
from lingshu_train.naming import component


def card_of(format: str, fields: Mapping[str, Any]) -> Card:
    block = Lingshu(
        source=Source(kind="hub", name="a/b"),
        access="open",
        licence=Licence(id="MIT"),
        format=format,
        fields=dict(fields),
    )
    return Card(name="made", lingshu=block, hub={}, body="")


def read(format: str, root: Path, fields: Mapping[str, Any], *, split: str = "train") -> list[Row]:
    reader = component(presence.FORMATS, format, where="test", error=DataError)
    return list(reader.rows(card_of(format, fields), root, split=split))


def png(shade: int) -> bytes:
    """A small picture with a disc of a given grey."""
    image = Image.new("L", (40, 30), 10)
    ImageDraw.Draw(image).ellipse((10, 5, 30, 25), fill=shade)
    stream = io.BytesIO()
    image.save(stream, format="PNG")
    return stream.getvalue()


def put(path: Path, content: bytes | str | list[Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False, indent=1)
        path.write_text(text, encoding="utf-8")
    return path


def put_csv(path: Path, rows: Sequence[Sequence[str]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows(rows)
    return path


def put_parquet(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(arrow.Table.from_pylist(rows), path)
    return path


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
    assert (first.sample.id, first.sample.question_type, first.sample.task) == ("11", "short", "open_vqa")
    assert (first.sample.group, first.sample.modality, first.sample.split) == ("xmlab1", "X-Ray", "train")
    assert first.images[0].read() == png(200)
    assert (second.sample.question_type, second.sample.answer) == ("yes_no", "是")
    english = read("slake_json", tmp_path, {"files": {"train": "train.json"}, "languages": ["en"]})
    assert [row.sample.id for row in english] == ["11"]


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


def test_a_csv_row_with_a_cell_too_many_is_refused(tmp_path: Path) -> None:
    put_csv(tmp_path / "test_2.csv", [PMC_HEAD, [*PMC_ROW, "stray"]])
    with pytest.raises(DataError, match=r"test_2\.csv:2: more cells than the header's 10"):
        read("pmc_vqa_csv", tmp_path, {"files": {"test": "test_2.csv"}}, split="test")


def test_vqa_parquet_reads_embedded_images_over_several_files(tmp_path: Path) -> None:
    for number, (answer, shade) in enumerate((("Yes", 50), ("left lung", 50), ("3", 120))):
        rows = [{"image": {"bytes": png(shade), "path": None}, "question": f"Q{number}", "answer": answer}]
        put_parquet(tmp_path / "data" / f"train-0000{number}-of-00003.parquet", rows)
    rows = read("vqa_parquet", tmp_path, {"files": {"train": "data/train-*.parquet"}})
    assert [row.sample.question_type for row in rows] == ["yes_no", "short", "numeric"]
    assert rows[0].sample.group == rows[1].sample.group != rows[2].sample.group
    assert hashlib.sha256(rows[2].images[0].read()).hexdigest() == hashlib.sha256(png(120)).hexdigest()


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
    assert [(row.sample.id, row.sample.answer) for row in rows] == [("ACRIMA_0000", "B"), ("B_0", "B")]
    assert list(rows[0].sample.options) == ["A", "B"] and list(rows[1].sample.options) == ["A", "B", "C", "D"]
    assert rows[0].images[0].path == tmp_path / "Images" / "ACRIMA" / "Im1.png"
    with pytest.raises(DataError, match=r"Im1\.png: image file is missing"):
        rows[0].images[0].read()


def test_an_omnimedvqa_answer_outside_its_options_is_refused(tmp_path: Path) -> None:
    put(tmp_path / "q.json", [{**OMNI, "gt_answer": "Myopia"}])
    with pytest.raises(
        DataError, match=r"q\.json:2: gt_answer: 'Myopia' is none of the options: Cataract, Glaucoma"
    ):
        read("omnimedvqa_json", tmp_path, {"files": {"test": "q.json"}}, split="test")


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
    assert (row.sample.question, row.sample.answer, row.images[0].read()) == ("这是什么？", "胸片。", png(5))


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


def test_captions_come_from_file_names_and_from_bytes(tmp_path: Path) -> None:
    put(tmp_path / "train.jsonl", json.dumps({"image": "PMC1_F1_2.jpg", "caption": " Axial CT. "}))
    (row,) = read("caption_pairs", tmp_path, {"files": {"train": "train.jsonl"}, "images": "images"})
    assert (row.sample.answer, row.sample.question) == ("Axial CT.", "Describe this image.")
    assert row.images[0].path == tmp_path / "images" / "PMC1_F1_2.jpg"
    put_parquet(
        tmp_path / "r.parquet",
        [{"image": {"bytes": png(8), "path": None}, "image_id": "ROCO_1", "caption": "US."}],
    )
    (row,) = read("caption_pairs", tmp_path, {"files": {"train": "r.parquet"}})
    assert (row.sample.id, row.images[0].read()) == ("ROCO_1", png(8))


def test_a_caption_row_with_a_web_address_says_that_images_must_be_fetched(tmp_path: Path) -> None:
    put(tmp_path / "train.jsonl", json.dumps({"image": "https://example.org/a.jpg", "caption": "A cat."}))
    with pytest.raises(DataError, match=r"train\.jsonl:1: image: is a web address .* fetch the images first"):
        read("caption_pairs", tmp_path, {"files": {"train": "train.jsonl"}})


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
    with pytest.raises(DataError, match=r"QA\.txt:2: must have 3 or 4 fields between bars, got 1"):
        read("vqa_med_txt", tmp_path, fields)


def test_report_lists_join_findings_and_impression(tmp_path: Path) -> None:
    put(
        tmp_path / "test.json",
        [{"id": "open_i_1", "image": ["a.png", "b.png"], "findings": "Clear.", "impression": ""}],
    )
    (row,) = read("report_json", tmp_path, {"files": {"test": "test.json"}}, split="test")
    assert row.sample.answer == "Findings: Clear. Impression: None"
    assert [picture.path for picture in row.images] == [
        tmp_path / "images" / name for name in ("a.png", "b.png")
    ]
    put(tmp_path / "test.json", [{"id": "open_i_1", "image": ["a.png"], "findings": "", "impression": " "}])
    with pytest.raises(DataError, match=r"test\.json:2: findings: is empty, and so is impression"):
        read("report_json", tmp_path, {"files": {"test": "test.json"}}, split="test")


def openi(number: int, *, findings: str, images: Sequence[str]) -> str:
    pictures = "".join(f'<parentImage id="{image}"><url>/x</url></parentImage>' for image in images)
    return (
        f'<?xml version="1.0" encoding="utf-8"?><eCitation><uId id="CXR{number}"/><MedlineCitation><Article>'
        '<Abstract><AbstractText Label="INDICATION">Cough</AbstractText>'
        f'<AbstractText Label="FINDINGS">{findings}</AbstractText>'
        f'<AbstractText Label="IMPRESSION"/></Abstract></Article></MedlineCitation>{pictures}</eCitation>'
    )


def test_openi_reads_xml_leaves_test_examinations_out_and_skips_reports_without_films(tmp_path: Path) -> None:
    put(
        tmp_path / "ecgen-radiology" / "1.xml",
        openi(1, findings="Heart &amp; lungs XXXX.", images=["CXR1_IM-1", "CXR1_IM-2"]),
    )
    put(tmp_path / "ecgen-radiology" / "2.xml", openi(2, findings="Clear.", images=["CXR2_IM-1"]))
    put(tmp_path / "ecgen-radiology" / "3.xml", openi(3, findings="Clear.", images=[]))
    put(
        tmp_path / "test.json",
        [{"id": "open_i_2", "image": ["CXR2_IM-1.png"], "findings": "Clear.", "impression": ""}],
    )
    fields = {"files": {"all": "ecgen-radiology/*.xml"}, "without": "test.json"}
    (row,) = read("openi_xml", tmp_path, fields, split="all")
    assert row.sample.answer == "Findings: Heart & lungs XXXX. Impression: None"
    assert [picture.name for picture in row.images] == ["CXR1_IM-1.png", "CXR1_IM-2.png"]
    put(tmp_path / "ecgen-radiology" / "2.xml", "<eCitation>\n<broken")
    with pytest.raises(DataError, match=r"2\.xml:2: not XML"):
        read("openi_xml", tmp_path, fields, split="all")


MIMIC_REPORT = """                                 FINAL REPORT
 EXAMINATION:  CHEST (PA AND LAT)

 FINDINGS:

 The lungs are clear.
 No effusion.

 IMPRESSION:
 No acute process.
"""


def mimic(root: Path) -> None:
    put_csv(
        root / "split.csv",
        [
            ["dicom_id", "study_id", "subject_id", "split"],
            ["d1", "50000001", "10000032", "train"],
            ["d2", "50000001", "10000032", "train"],
            ["d3", "50000002", "10000764", "validate"],
            ["d4", "50000003", "10000898", "train"],
        ],
    )
    put(root / "files" / "p10" / "p10000032" / "s50000001.txt", MIMIC_REPORT)
    put(root / "files" / "p10" / "p10000764" / "s50000002.txt", MIMIC_REPORT)
    put(root / "files" / "p10" / "p10000898" / "s50000003.txt", " FINAL REPORT\n IMPRESSION: Pneumonia.\n")


def test_mimic_cxr_gathers_a_studys_films_and_cuts_its_report_into_sections(tmp_path: Path) -> None:
    mimic(tmp_path)
    fields = {"files": {"train": "split.csv", "validation": "split.csv"}}
    first, second = read("mimic_cxr_reports", tmp_path, fields)
    assert first.sample.answer == "Findings: The lungs are clear. No effusion. Impression: No acute process."
    assert (first.sample.id, first.sample.group) == ("s50000001", "p10000032")
    assert [picture.path.name for picture in first.images if picture.path] == ["d1.jpg", "d2.jpg"]
    assert second.sample.answer == "Findings: None Impression: Pneumonia."
    assert [row.sample.id for row in read("mimic_cxr_reports", tmp_path, fields, split="validation")] == [
        "s50000002"
    ]


def test_mimic_cxr_captions_take_findings_only_and_a_lost_report_is_named(tmp_path: Path) -> None:
    mimic(tmp_path)
    fields = {"files": {"train": "split.csv"}, "sections": "findings"}
    (row,) = read("mimic_cxr_reports", tmp_path, fields)
    assert (row.sample.answer, row.sample.task) == ("The lungs are clear. No effusion.", "caption")
    (tmp_path / "files" / "p10" / "p10000898" / "s50000003.txt").unlink()
    with pytest.raises(DataError, match=r"s50000003\.txt: report of study 50000003 is missing"):
        read("mimic_cxr_reports", tmp_path, fields)


def test_a_split_or_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="no split 'dev'; it has: train"):
        read("caption_pairs", tmp_path, {"files": {"train": "a.jsonl"}}, split="dev")
    with pytest.raises(MissingInput, match=r"no file matches 'a\.jsonl'"):
        read("caption_pairs", tmp_path, {"files": {"train": "a.jsonl"}})
    with pytest.raises(DataError, match=r"lingshu\.fields\.colour: unknown key"):
        read("caption_pairs", tmp_path, {"files": {"train": "a.jsonl"}, "colour": "red"})


@pytest.mark.parametrize(
    ("name", "text", "fault"),
    [
        ("a.json", '[\n {"x": 1},\n {"x": }\n]', "a.json:3: not JSON"),
        ("a.json", '{"x": 1}', "a.json:1: must be a JSON array of records"),
        ("a.json", '[{"x": 1}', "a.json:1: not JSON"),
        ("a.jsonl", '{"x": 1}\n{', "a.jsonl:2: not JSON"),
        ("a.jsonl", "[1]", "a.jsonl:1: a row must be a record, got list"),
        ("a.xlsx", "", "cannot read .xlsx"),
    ],
)
def test_a_broken_file_is_one_line_with_its_place(tmp_path: Path, name: str, text: str, fault: str) -> None:
    put(tmp_path / name, text)
    with pytest.raises(DataError) as raised:
        list(tables.read(tmp_path, name))
    assert fault in str(raised.value) and "\n" not in str(raised.value)


def test_lines_of_a_json_array_are_counted_as_an_editor_does(tmp_path: Path) -> None:
    put(tmp_path / "a.json", '\ufeff[{"x": 1},\n\n{"x": 2}, {"x": 3}\n,\n {"x":\n 4}]')
    assert [line.number for line in tables.read(tmp_path, "a.json")] == [1, 3, 3, 5]
    put(tmp_path / "a.json", "[]")
    assert list(tables.read(tmp_path, "a.json")) == []
