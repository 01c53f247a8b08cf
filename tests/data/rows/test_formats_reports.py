"""Captions and reports, in the layouts of their publishers."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from format_files import card_of, content, png, put, put_csv, put_parquet, read
from PIL import Image

from lingshu_train.data.rows import reading, report_text
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
    assert (row.sample.id, content(row.images[0])) == ("r.parquet#1:ROCO_1", png(8))


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
    assert read("report_json", tmp_path, {"files": {"test": "test.json"}}, split="test") == []
    film = "p10/p10000001/s50000001/a.jpg"
    put(tmp_path / "test.json", [{"image": film, "findings": "Clear.", "impression": ""}])
    (row,) = read("report_json", tmp_path, {"files": {"test": "test.json"}}, split="test")
    assert row.sample.group == "p10000001", "of a film in its patient's folder"


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
    held = {"files": "test.json", "column": "image"}
    fields = {"files": {"all": "ecgen-radiology/*.xml"}, "without": [held]}
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


def test_mimic_cxr_goes_on_after_a_bad_line_of_its_table(tmp_path: Path) -> None:
    mimic(tmp_path)
    table = tmp_path / "split.csv"
    table.write_text(table.read_text().replace("d4,50000003", "d4,"), encoding="utf-8")
    card = card_of("mimic_cxr_reports", {"files": {"train": "split.csv"}})
    reader = reading.open(card, tmp_path, split="train")
    bad, good = reader.lines()
    with pytest.raises(DataError, match=r"split\.csv:5: study_id: is empty"):
        list(reader.rows(bad))
    assert [row.sample.group for row in reader.rows(good)] == ["p10000032"]


CHEXPERT_PLUS = [
    [
        "path_to_image",
        "frontal_lateral",
        "section_findings",
        "section_impression",
        "deid_patient_id",
        "split",
    ],
    ["train/patient1/study1/view1_frontal.jpg", "Frontal", "Lungs  are\nclear.", "", "patient1", "train"],
    ["train/patient1/study1/view2_lateral.jpg", "Lateral", "Lungs  are\nclear.", "", "patient1", "train"],
    ["train/patient2/study4/view1_frontal.jpg", "Frontal", "", "", "patient2", "train"],
    ["valid/patient3/study1/view1_frontal.jpg", "Frontal", "", "No effusion.", "patient3", "valid"],
    ["valid/patient3/study1/view2_lateral.jpg", "Lateral", "", "No effusion.", "patient3", "valid"],
]


def test_chexpert_plus_joins_the_films_of_a_study_or_takes_each(tmp_path: Path) -> None:
    put_csv(tmp_path / "df.csv", CHEXPERT_PLUS)
    fields = {
        "files": {"train": "df.csv", "test": "df.csv"},
        "parts": {"test": "valid"},
        "images": ["PNG/PNG"],
    }
    (study,) = read("chexpert_plus_csv", tmp_path, fields)
    assert study.sample.answer == "Findings: Lungs are clear. Impression: None"
    assert (study.sample.id, study.sample.group) == ("df.csv#1:train/patient1/study1", "patient1")
    folder = tmp_path / "PNG" / "PNG" / "train" / "patient1" / "study1"
    assert [image.path for image in study.images] == [
        folder / "view1_frontal.png",
        folder / "view2_lateral.png",
    ]
    films = read("chexpert_plus_csv", tmp_path, {**fields, "each": "film"}, split="test")
    assert [len(film.images) for film in films] == [1, 1] and len({film.sample.id for film in films}) == 2


def test_a_chexpert_plus_row_without_a_path_names_file_line_and_field(tmp_path: Path) -> None:
    put_csv(tmp_path / "df.csv", [*CHEXPERT_PLUS, ["", "Frontal", "Clear.", "", "patient4", "train"]])
    with pytest.raises(DataError, match=r"df\.csv:9: path_to_image: is empty"):
        read("chexpert_plus_csv", tmp_path, {"files": {"train": "df.csv"}, "parts": {}})


def test_a_mimic_cxr_study_that_is_no_number_is_a_bad_row(tmp_path: Path) -> None:
    mimic(tmp_path)
    table = tmp_path / "split.csv"
    table.write_text(table.read_text().replace("50000003", "../x"), encoding="utf-8")
    with pytest.raises(DataError, match=r"split\.csv:5: subject_id: subject and study must be numbers, got"):
        read("mimic_cxr_reports", tmp_path, {"files": {"train": "split.csv"}})


def npz(path: Path, **arrays: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, **arrays)


def test_fairvlmed_gives_the_fundus_picture_and_its_note(tmp_path: Path) -> None:
    pixels = np.arange(48, dtype=np.uint8).reshape(8, 6)
    npz(
        tmp_path / "Training" / "data_00001.npz",
        slo_fundus=pixels,
        note=np.array(" Stable. "),
        race=np.array(2),
    )
    (row,) = read("fairvlmed_npz", tmp_path, {"files": {"train": "Training/*.npz"}})
    assert (row.sample.answer, row.sample.group) == ("Stable.", "data_00001")
    with Image.open(io.BytesIO(content(row.images[0]))) as image:
        assert np.array_equal(np.asarray(image), pixels)


@pytest.mark.parametrize(
    ("arrays", "fault"),
    [
        ({"note": np.array("x")}, "npz: slo_fundus is missing; the file has: note"),
        ({"slo_fundus": np.zeros((2, 2, 2, 2)), "note": np.array("x")}, "pixels: must be grey or RGB"),
        ({"slo_fundus": np.full((2, 2), 0.5), "note": np.array("x")}, "pixels: must be whole numbers from 0"),
        ({"slo_fundus": np.zeros((2, 2), np.uint8), "note": np.array(3)}, "note: must hold text, got int64"),
        (
            {"slo_fundus": np.zeros((2, 2), np.uint8), "note": np.array([{}], object)},
            "npz: must hold numbers or text, got object",
        ),
    ],
)
def test_a_bad_fairvlmed_file_is_named_with_its_field(
    tmp_path: Path, arrays: dict[str, Any], fault: str
) -> None:
    npz(tmp_path / "d.npz", **arrays)
    with pytest.raises(DataError) as raised:
        read("fairvlmed_npz", tmp_path, {"files": {"train": "*.npz"}})
    assert str(raised.value).startswith(f"{tmp_path / 'd.npz'}:1: {fault}")


def test_a_torn_fairvlmed_file_is_a_bad_row(tmp_path: Path) -> None:
    put(tmp_path / "d.npz", b"PK\x03\x04torn")
    with pytest.raises(DataError, match=r"d\.npz:1: npz: cannot be read"):
        read("fairvlmed_npz", tmp_path, {"files": {"train": "*.npz"}})


MEDICAT = {
    "pdf_hash": "26491ab7",
    "fig_key": "Figure4",
    "fig_uri": "3-Figure4-1.png",
    "s2_caption": "Figure 4. A scan.",
    "s2orc_caption": None,
    "s2orc_references": ["See it."],
    "radiology": True,
    "scope": False,
    "predicted_type": "Medical images",
    "oa_info": {"doi": "10.1001/x", "oa": {"license": None}},
}


def test_medicat_finds_figures_by_article_and_takes_the_other_legend_where_one_is_empty(
    tmp_path: Path,
) -> None:
    other = {**MEDICAT, "s2_caption": "", "s2orc_caption": "Figure 4. Other.", "radiology": False}
    put(tmp_path / "release" / "s2.jsonl", json.dumps(MEDICAT) + "\n" + json.dumps(other))
    fields = {"files": {"all": "release/s2.jsonl"}, "images": "release/figures"}
    first, second = read("medicat_jsonl", tmp_path, fields, split="all")
    assert first.images[0].path == tmp_path / "release" / "figures" / "26491ab7_3-Figure4-1.png"
    assert (first.sample.answer, second.sample.answer) == ("Figure 4. A scan.", "Figure 4. Other.")
    assert len(read("medicat_jsonl", tmp_path, {**fields, "radiology": True}, split="all")) == 1
    put(tmp_path / "release" / "s2.jsonl", json.dumps({**MEDICAT, "s2_caption": None}))
    with pytest.raises(DataError, match=r"s2\.jsonl:1: s2_caption: is empty, and so is s2orc_caption"):
        read("medicat_jsonl", tmp_path, fields, split="all")


MEDPIX = {
    "Type": "CT",
    "U_id": "MPX1009",
    "image": "MPX1009_synpic46283",
    "Description": {
        "ACR Codes": "8.-1",
        "Age": "73",
        "Caption": "The prostate is enlarged.",
        "Figure Part": None,
        "Modality": "CT - noncontrast",
        "Plane": "Coronal",
        "Sex": "male",
    },
    "Location": "Genitourinary",
    "Location Category": "Reproductive and Urinary System",
}


def test_medpix_takes_captions_of_pictures_with_the_case_as_group_and_leaves_placeholders_out(
    tmp_path: Path,
) -> None:
    unwritten = {**MEDPIX, "Description": {"Caption": "IN PROGRESS."}}
    put(tmp_path / "descriptions_dev.jsonl", json.dumps(MEDPIX) + "\n" + json.dumps(unwritten))
    fields = {"files": {"validation": "descriptions_dev.jsonl"}, "blank": ["in progress"]}
    (row,) = read("medpix_json", tmp_path, fields, split="validation")
    assert (row.sample.answer, row.sample.group, row.sample.modality) == (
        "The prostate is enlarged.",
        "MPX1009",
        "ct",
    )
    assert row.images[0].path == tmp_path / "images" / "MPX1009_synpic46283.png"


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"Description": None}, "Description: must be a record"),
        ({"Description": {"Caption": " "}}, "Caption: is empty"),
        ({"Type": "US"}, "Type: must be one of CT, MR, got 'US'"),
    ],
)
def test_a_bad_medpix_row_names_file_line_and_field(
    tmp_path: Path, change: dict[str, Any], fault: str
) -> None:
    put(tmp_path / "d.json", json.dumps([{**MEDPIX, **change}]))
    with pytest.raises(DataError) as raised:
        read("medpix_json", tmp_path, {"files": {"train": "d.json"}})
    assert str(raised.value) == f"{tmp_path / 'd.json'}:1: {fault}"


def test_a_web_picture_is_the_file_named_by_the_hash_of_its_address(tmp_path: Path) -> None:
    address = "https://example.org/cat.jpg?size=1"
    name = hashlib.sha256(address.encode()).hexdigest()
    put(tmp_path / "images" / name, png(9))
    gone = {"image_url": "https://example.org/gone.jpg", "caption": "Gone.", "transcripts": ["gone"]}
    put_parquet(
        tmp_path / "train.parquet", [{"image_url": address, "caption": "A cat.", "transcripts": ["a"]}, gone]
    )
    fields = {"files": {"train": "train.parquet"}, "missing": "skip"}
    (row,) = read("caption_urls", tmp_path, fields)
    assert (row.sample.answer, content(row.images[0])) == ("A cat.", png(9))
    with pytest.raises(
        DataError, match=r"train\.parquet:2: image_url: the picture of .*gone\.jpg was not fetched"
    ):
        read("caption_urls", tmp_path, {**fields, "missing": "refuse"})


@pytest.mark.parametrize("format", ["mimic_cxr_reports", "chexpert_plus_csv"])
def test_the_list_of_the_evaluation_kit_is_read_in_place_of_the_publisher_s_files(
    format: str, tmp_path: Path
) -> None:
    film = "valid/patient64541/study1/view1_frontal.png"
    put(tmp_path / "test.json", [{"image": film, "findings": "Clear.", "impression": "Normal."}])
    fields = {
        "files": {"test": "test.json"},
        "images": "images" if format == "mimic_cxr_reports" else ["images"],
    }
    (row,) = read(format, tmp_path, fields, split="test")
    assert row.sample.answer == "Findings: Clear. Impression: Normal."
    assert row.sample.group == "patient64541"
    assert [picture.path for picture in row.images] == [tmp_path / "images" / film]


def test_mimic_reports_are_found_beside_the_films_or_in_the_folder_of_their_archive(tmp_path: Path) -> None:
    mimic(tmp_path)
    (tmp_path / "mimic-cxr-reports").mkdir()
    fields = {"files": {"train": "split.csv"}}
    beside = read("mimic_cxr_reports", tmp_path, fields)
    for number in ("10000032", "10000898"):
        for report in (tmp_path / "files" / "p10" / f"p{number}").glob("*.txt"):
            put(tmp_path / "mimic-cxr-reports" / report.relative_to(tmp_path), report.read_bytes())
            report.unlink()
    assert read("mimic_cxr_reports", tmp_path, fields) == beside


def test_a_report_without_any_heading_has_no_sections() -> None:
    assert not report_text.sections("A single line.").stated
    assert not report_text.sections("").stated
