"""What is trained of a row of each published set of captions and conversations, in words, through the set's own card."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from format_files import png, put, put_parquet

from lingshu_train.data import chat
from lingshu_train.data.cards import card as cards
from lingshu_train.data.rows import reading
from lingshu_train.data.rows.formats import caption_urls
from lingshu_train.data.rows.row import Row, Skipped

ASKS = ("What is shown?", "Where?", "Why?")
TELLS = ("A lamp.", "On the left.", "It is dark.")


def said(*turns: str) -> list[dict[str, str]]:
    return [{"from": ("human", "gpt")[number % 2], "value": text} for number, text in enumerate(turns)]


def three(mark: str = "<image>\n", after: str = "") -> list[dict[str, str]]:
    """A dialogue of three answers, the mark before its first question or after it."""
    first, *others = [text for pair in zip(ASKS, TELLS, strict=True) for text in pair]
    return said(f"{mark}{first}{after}", *others)


def read(root: Path, name: str, *, split: str = "train") -> list[Row]:
    return list(reading.open(cards.load(name), root, split=split))


def taught(row: Row) -> str:
    turns = tuple((turn.question, turn.answer) for turn in row.turns)
    digests = tuple(f"{number:064x}" for number in range(len(row.images)))
    return chat.taught(replace(row.sample, turns=turns, images=digests))


def of(root: Path, name: str, file: str, row: Mapping[str, Any], *pictures: str) -> str:
    """What is taught of the one row of a file of JSON, with its pictures beside it."""
    for picture in pictures:
        put(root / picture, png(5))
    put(root / file, json.dumps(row) if file.endswith(".jsonl") else [dict(row)])
    (found,) = read(root, name)
    return taught(found)


ALL_THREE = """given user: [image]What is shown?
taught assistant: A lamp.
given user: Where?
taught assistant: On the left.
given user: Why?
taught assistant: It is dark."""


@pytest.mark.parametrize(
    ("name", "file", "image", "folder"),
    [
        ("llava_1_5_instruct", "llava_v1_5_mix665k.json", "coco/train2017/1.jpg", ""),
        ("allava", "allava_laion/ALLaVA-Instruct-LAION-4V.json", "allava_laion/images/1.jpeg", ""),
        ("llava_med_instruct", "llava_med_instruct_60k_inline_mention.json", "1_F1.jpg", "images/"),
        ("quilt_llava_instruct", "quilt_instruct_107k.json", "x_roi_1.jpg", "quilt_instruct/"),
        ("quilt_llava_pretrain", "quilt_pretrain.json", "x_image_1.jpg", "quilt_1m/"),
        ("synth_long_captions", "train.jsonl", "1.png", "images/"),
    ],
)
def test_of_a_llava_dialogue_of_three_answers_all_three_are_taught_and_the_picture_stands_first(
    tmp_path: Path, name: str, file: str, image: str, folder: str
) -> None:
    row = {"id": "1", "image": image, "conversations": three()}
    assert of(tmp_path, name, file, row, f"{folder}{image}") == ALL_THREE


def test_of_a_picture_after_its_question_the_place_is_kept(tmp_path: Path) -> None:
    row = {"image": "00453/004539375.jpg", "conversations": said("Render a summary.\n<image>", "a chair")}
    found = of(
        tmp_path, "llava_1_5_pretrain", "blip_laion_cc_sbu_558k.json", row, "images/00453/004539375.jpg"
    )
    assert found == "given user: Render a summary.\n[image]\ntaught assistant: a chair"


@pytest.mark.parametrize("key", ["conversatons", "conversations"])
@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("llava_med_alignment", "llava_med_alignment_500k.json"),
        ("llava_med_instruct", "llava_med_instruct_60k_inline_mention.json"),
    ],
)
def test_of_llava_med_either_spelling_of_the_key_is_read(
    tmp_path: Path, name: str, file: str, key: str
) -> None:
    row = {"id": "1_F1", "image": "1_F1.jpg", key: said("Describe.\n<image>", "MRI of a knee.")}
    found = of(tmp_path, name, file, row, "images/1_F1.jpg")
    assert found == "given user: Describe.\n[image]\ntaught assistant: MRI of a knee."


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("llava_med_alignment", "llava_med_alignment_500k.json"),
        ("llava_med_instruct", "llava_med_instruct_60k_inline_mention.json"),
    ],
)
def test_of_llava_med_a_row_whose_picture_is_gone_teaches_nothing_and_is_counted(
    tmp_path: Path, name: str, file: str
) -> None:
    put(tmp_path / file, [{"id": "1_F1", "image": "1_F1.jpg", "conversations": three()}])
    reader = reading.open(cards.load(name), tmp_path, split="train")
    assert [one for line in reader.lines() for one in reader.all(line)] == [Skipped("no picture")]


@pytest.mark.parametrize("part", ["Alignment", "InstructionTuning"])
def test_of_a_pubmedvision_row_of_two_pictures_both_stand_before_the_question(
    tmp_path: Path, part: str
) -> None:
    names = ["images/pmc_2_0.jpg", "images/pmc_2_1.jpg"]
    row = {"id": "2", "image": names, "conversations": said("What is noted?", "A tear."), "modality": "MRI"}
    name = "pubmedvision" if part == "Alignment" else "pubmedvision_instruct"
    found = of(tmp_path, name, f"PubMedVision_{part}_VQA.json", row, *names)
    assert found == "given user: [image][image]What is noted?\ntaught assistant: A tear."


def test_of_the_mixture_of_llava_each_card_teaches_its_own_rows_and_none_twice(tmp_path: Path) -> None:
    put(tmp_path / "ocr_vqa/images/1.gif", png(5))
    pictured = {"id": "1", "image": "ocr_vqa/images/1.jpg", "conversations": said("<image>\nWho?", "Nobody")}
    text = {"id": "2", "model": "", "conversations": said("Write.", "Done.", "Again.", "Done again.")}
    put(tmp_path / "llava_v1_5_mix665k.json", [pictured, text])
    (shown,) = read(tmp_path, "llava_1_5_instruct")
    (written,) = read(tmp_path, "llava_1_5_text")
    assert shown.images[0].exists(), "a file that ends in .gif, where the row says .jpg"
    assert taught(shown) == "given user: [image]Who?\ntaught assistant: Nobody"
    assert taught(written) == (
        "given user: Write.\ntaught assistant: Done.\ngiven user: Again.\ntaught assistant: Done again."
    )


@pytest.mark.parametrize(
    ("name", "file"),
    [("openhermes_2_5", "openhermes2_5.json"), ("llava_1_5_text", "llava_v1_5_mix665k.json")],
)
def test_of_a_conversation_that_begins_with_an_answer_the_rest_is_taught(
    tmp_path: Path, name: str, file: str
) -> None:
    row = {"conversations": [{"from": "gpt", "value": "Hello."}, *said("Name a bird.", "A wren.")]}
    assert of(tmp_path, name, file, row) == "given user: Name a bird.\ntaught assistant: A wren."
    assert read(tmp_path, name)[0].notes == ("an opening answer",)


def test_of_openhermes_a_system_message_is_neither_given_nor_taught_and_is_counted(tmp_path: Path) -> None:
    row = {"conversations": [{"from": "system", "value": "Be a pirate."}, *said("Where?", "Arr.")]}
    found = of(tmp_path, "openhermes_2_5", "openhermes2_5.json", row)
    assert found == "given user: Where?\ntaught assistant: Arr."
    assert read(tmp_path, "openhermes_2_5")[0].notes == ("a system message",)


def test_of_llava_med_in_chinese_every_answer_is_taught(tmp_path: Path) -> None:
    messages = [
        {"role": "user", "content": "<image>这是什么?"},
        {"role": "assistant", "content": "胸部X光片。"},
        {"role": "user", "content": "有何发现?"},
        {"role": "assistant", "content": "左侧密度增高。"},
    ]
    row = {"messages": messages, "images": [{"bytes": png(5), "path": "1.jpg"}]}
    put_parquet(tmp_path / "data/train-00000-of-00014.parquet", [row])
    (found,) = read(tmp_path, "llava_med_zh")
    assert taught(found) == (
        "given user: [image]这是什么?\ntaught assistant: 胸部X光片。\ngiven user: 有何发现?\ntaught assistant: 左侧密度增高。"
    )


CAPTION = "given user: [image]Describe this image.\ntaught assistant: "


def test_of_pmc_oa_the_legend_of_a_panel_is_taught(tmp_path: Path) -> None:
    folder = "caption_T060_filtered_top4_sep_v0_subfigures"
    row = {"image": "PMC1_F1_1.jpg", "caption": "(A) A film.", "alignment_score": 0.9}
    assert of(tmp_path, "pmc_oa", "pmc_oa.jsonl", row, f"{folder}/PMC1_F1_1.jpg") == f"{CAPTION}(A) A film."


@pytest.mark.parametrize("name", ["roco", "rocov2"])
@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_of_roco_the_legend_is_taught_in_each_split(tmp_path: Path, name: str, split: str) -> None:
    row = {"image": {"bytes": png(5), "path": None}, "image_id": "ROCO_1", "caption": " Axial CT.\n"}
    put_parquet(tmp_path / f"data/{split}-00000-of-00001.parquet", [row])
    (found,) = read(tmp_path, name, split=split)
    assert taught(found) == f"{CAPTION}Axial CT."


@pytest.mark.parametrize(
    ("own", "other", "legend"), [("Own.", "S2ORC's.", "Own."), ("", "S2ORC's.", "S2ORC's.")]
)
def test_of_medicat_the_legend_is_taught_or_else_the_one_that_s2orc_read(
    tmp_path: Path, own: str, other: str, legend: str
) -> None:
    row = {"pdf_hash": "ab", "fig_key": "Figure1", "fig_uri": "2-Figure1-1.png", "radiology": False}
    row |= {"s2_caption": own, "s2orc_caption": other, "s2orc_references": ["It was seen (Figure 1)."]}
    file = "release/s2_full_figures_oa_nonroco_combined_medical_top4_public.jsonl"
    found = of(tmp_path, "medicat", file, row, "release/figures/ab_2-Figure1-1.png")
    assert found == f"{CAPTION}{legend}"


def test_of_pixmo_the_long_caption_is_taught_and_no_transcript(tmp_path: Path) -> None:
    address = "https://example.org/a.jpg"
    row = {"image_url": address, "caption": "A long text.", "transcripts": ["um"]}
    put_parquet(tmp_path / "data/train-00000-of-00001.parquet", [row])
    put(tmp_path / "images" / caption_urls.file_name(address), png(5))
    (found,) = read(tmp_path, "pixmo_cap")
    assert taught(found) == f"{CAPTION}A long text."


def test_of_medpix_the_caption_is_taught_and_a_placeholder_is_counted(tmp_path: Path) -> None:
    rows = [
        {"Type": "CT", "U_id": "MPX1", "image": f"MPX1_{text[:1]}", "Description": {"Caption": text}}
        for text in ("A cyst.", "Replace this - DESCRIPTION")
    ]
    for row in rows:
        put(tmp_path / f"MedPix-2-0/images/{row['image']}.png", png(5))
    file = tmp_path / "MedPix-2-0/splitted_dataset/descriptions_train.jsonl"
    put(file, "".join(json.dumps(row) + "\n" for row in rows))
    reader = reading.open(cards.load("medpix_2"), tmp_path, split="train")
    found, left_out = [one for line in reader.lines() for one in reader.all(line)]
    assert isinstance(found, Row) and taught(found) == f"{CAPTION}A cyst."
    assert left_out == Skipped("no caption")


@pytest.mark.parametrize(("split", "folder"), [("train", "Training"), ("test", "Test"), ("test", "Testing")])
def test_of_fairvlmed_the_note_is_taught_whichever_name_the_folder_has(
    tmp_path: Path, split: str, folder: str
) -> None:
    out = io.BytesIO()
    np.savez(out, slo_fundus=np.zeros((66, 51), np.uint8), note=np.array("Pressure is stable."), age=61.0)
    put(tmp_path / folder / "data_00001.npz", out.getvalue())
    (found,) = read(tmp_path, "fairvlmed", split=split)
    asked = "Write the clinical note that goes with this scanning laser fundus image."
    assert taught(found) == f"given user: [image]{asked}\ntaught assistant: Pressure is stable."
