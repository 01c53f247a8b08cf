"""Captions and reports, in the layouts of ROCO, Open-i and MIMIC-CXR."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from format_files import png, put, put_csv, put_parquet, read

from lingshu_train.errors import DataError


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
    assert (row.sample.id, row.images[0].read()) == ("r.parquet#1:ROCO_1", png(8))


def test_a_caption_row_with_a_web_address_says_that_images_must_be_fetched(tmp_path: Path) -> None:
    put(tmp_path / "train.jsonl", json.dumps({"image": "https://example.org/a.jpg", "caption": "A cat."}))
    with pytest.raises(DataError, match=r"train\.jsonl:1: image: is a web address .* fetch the images first"):
        read("caption_pairs", tmp_path, {"files": {"train": "train.jsonl"}})


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
    with pytest.raises(DataError, match=r"2\.xml:2: eCitation: not XML"):
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
    assert (first.sample.id, first.sample.group) == ("split.csv#1:s50000001", "p10000032")
    assert [picture.path.name for picture in first.images if picture.path] == ["d1.jpg", "d2.jpg"]
    assert second.sample.answer == "Findings: None Impression: Pneumonia."
    (held_out,) = read("mimic_cxr_reports", tmp_path, fields, split="validation")
    assert held_out.sample.group == "p10000764"


def test_mimic_cxr_captions_take_findings_only_and_a_lost_report_is_named(tmp_path: Path) -> None:
    mimic(tmp_path)
    fields = {"files": {"train": "split.csv"}, "sections": "findings"}
    (row,) = read("mimic_cxr_reports", tmp_path, fields)
    assert (row.sample.answer, row.sample.task) == ("The lungs are clear. No effusion.", "caption")
    (tmp_path / "files" / "p10" / "p10000898" / "s50000003.txt").unlink()
    with pytest.raises(DataError, match=r"split\.csv:5: study_id: report .*s50000003\.txt is missing"):
        read("mimic_cxr_reports", tmp_path, fields)
