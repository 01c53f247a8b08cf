"""Boxes, in the layouts of their publishers, to questions on what is in them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from format_files import nifti, put, put_csv, read, told
from PIL import Image

from lingshu_train.data import images
from lingshu_train.data.images.excerpt import Excerpt
from lingshu_train.data.questions import outlines
from lingshu_train.data.rows.row import Row
from lingshu_train.errors import DataError

Box = tuple[int, int, int, int]


VOC_FIELDS = {
    "files": {"train": "BCCD/Annotations/*.xml"},
    "images": "BCCD/JPEGImages",
    "only": {"train": "BCCD/ImageSets/Main/train.txt"},
    "labels": {"RBC": "red blood cell", "WBC": "white blood cell", "Platelets": "platelet"},
    "counted": ["white blood cell"],
    "picture": "blood smear",
    "modality": "light microscopy",
}


def voc(root: Path, name: str, objects: list[tuple[str, Box]]) -> None:
    boxes = "".join(
        f"<object><name>{label}</name><bndbox><xmin>{box[0]}</xmin><ymin>{box[1]}</ymin>"
        f"<xmax>{box[2]}</xmax><ymax>{box[3]}</ymax></bndbox></object>\n"
        for label, box in objects
    )
    text = (
        f"<annotation>\n<folder>JPEGImages</folder><filename>{name}.jpg</filename>\n"
        f"<size><width>640</width><height>480</height><depth>3</depth></size>\n{boxes}</annotation>"
    )
    put(root / "BCCD" / "Annotations" / f"{name}.xml", text)


def test_voc_boxes_give_where_how_many_and_balanced_presence(tmp_path: Path) -> None:
    red = [("RBC", (10 * n, 5, 10 * n + 9, 14)) for n in range(2)]
    voc(tmp_path, "BloodImage_00000", [*red, ("WBC", (260, 177, 491, 376))])
    voc(tmp_path, "BloodImage_00001", red)
    voc(tmp_path, "BloodImage_00002", red)
    put(tmp_path / "BCCD" / "ImageSets" / "Main" / "train.txt", "BloodImage_00000\nBloodImage_00001\n")
    rows = read("labelled_boxes", tmp_path, VOC_FIELDS)
    assert told(rows) == [
        ("box", "white blood cell", "[260, 177, 491, 376]"),
        ("count", "white blood cell", "1"),
        ("presence", "white blood cell", "yes"),
        ("presence", "white blood cell", "no"),
    ]
    assert rows[0].images[0].path == tmp_path / "BCCD" / "JPEGImages" / "BloodImage_00000.jpg"
    assert "640 x 480 pixels" in rows[0].sample.question


@pytest.mark.parametrize(
    ("item", "fault"),
    [
        (("WBC", (5, 5, 641, 9)), "bndbox: (5, 5, 641, 9) is no box in 640 x 480 pixels"),
        (("Yeast", (1, 1, 2, 2)), "name: unknown label 'Yeast'; the card has: RBC, WBC, Platelets"),
        (("WBC", ("x", 1, 2, 2)), "bndbox/xmin: must be a whole number, got 'x'"),
        (("WBC", ("²", 1, 2, 2)), "bndbox/xmin: must be a whole number, got '²'"),
        (("WBC", ("٣", 1, 2, 2)), "bndbox/xmin: must be a whole number, got '٣'"),
    ],
)
def test_a_bad_voc_box_names_file_and_field(tmp_path: Path, item: tuple[str, Any], fault: str) -> None:
    voc(tmp_path, "a", [item])
    with pytest.raises(DataError) as raised:
        read("labelled_boxes", tmp_path, {**VOC_FIELDS, "only": {}})
    assert str(raised.value) == f"{tmp_path / 'BCCD' / 'Annotations' / 'a.xml'}:1: {fault}"


def test_torn_xml_names_its_line(tmp_path: Path) -> None:
    put(tmp_path / "BCCD" / "Annotations" / "a.xml", "<annotation>\n<size>")
    with pytest.raises(DataError, match=r"a\.xml:2: annotation: not XML"):
        read("labelled_boxes", tmp_path, {**VOC_FIELDS, "only": {}})


def test_a_known_box_of_zero_size_costs_no_picture_and_leaves_its_label_neither_counted_nor_located(
    tmp_path: Path,
) -> None:
    voc(tmp_path, "a", [("WBC", (5, 5, 5, 5)), ("WBC", (10, 10, 20, 20)), ("Platelets", (1, 1, 9, 9))])
    voc(tmp_path, "b", [("Platelets", (1, 1, 9, 9)), ("Platelets", (11, 1, 19, 9))])
    fields = {**VOC_FIELDS, "only": {}, "counted": ["white blood cell", "platelet"]}
    with pytest.raises(DataError, match=r"a\.xml:1: bndbox: \(5, 5, 5, 5\) is no box in 640 x 480 pixels"):
        read("labelled_boxes", tmp_path, fields)
    rows = read("labelled_boxes", tmp_path, {**fields, "skip_empty_boxes": True})
    assert told(rows) == [
        ("box", "platelet", "[1, 1, 9, 9]"),
        ("count", "platelet", "1"),
        ("presence", "white blood cell", "yes"),
        ("count", "platelet", "2"),
        ("presence", "white blood cell", "no"),
    ]
    notes = {row.images[0].name: row.notes for row in rows}
    assert notes == {"a.jpg": ("a box of zero size",), "b.jpg": ()}


DEEPLESION = {
    "File_name": "000001_01_01_109.png",
    "Patient_index": "1",
    "Bounding_boxes": "226.169, 90.0204, 241.252, 111.977",
    "Coarse_lesion_type": "5",
    "Possibly_noisy": "0",
    "Image_size": "512, 512",
    "DICOM_windows": "-175, 275",
    "Train_Val_Test": "2",
}
CT = {"picture": "CT slice", "modality": "CT"}


def deeplesion(root: Path, *changes: Mapping[str, str]) -> list[Row]:
    rows = [{**DEEPLESION, **change} for change in changes]
    put_csv(root / "DL_info.csv", [list(DEEPLESION), *(list(row.values()) for row in rows)])
    return read("deeplesion_csv", root, {"files": {"validation": "DL_info.csv"}, **CT}, split="validation")


def test_deeplesion_asks_for_the_only_lesion_of_a_slice_and_states_its_window(tmp_path: Path) -> None:
    other = {"File_name": "000002_01_01_010.png"}
    rows = deeplesion(
        tmp_path,
        {},
        other,
        other,
        {"Train_Val_Test": "3"},
        {"File_name": "3_1_1_1.png", "Possibly_noisy": "1"},
    )
    assert told(rows) == [
        ("box", "the lesion", "[226.169, 90.0204, 241.252, 111.977]"),
        ("finding", "", "lung lesion"),
    ]
    (picture,) = rows[0].images
    assert picture.path == tmp_path / "Images_png" / "000001_01_01" / "109.png"
    assert picture.excerpt == Excerpt(window=(50 + 32768, 450))
    assert rows[0].sample.group == "1"


def test_the_stated_window_shows_soft_tissue_of_a_16_bit_slice_grey(tmp_path: Path) -> None:
    rows = deeplesion(tmp_path, {})
    (picture,) = rows[0].images
    assert picture.path is not None
    picture.path.parent.mkdir(parents=True)
    Image.fromarray(np.full((4, 4), 50 + 32768, np.uint16)).save(picture.path)
    shown = np.asarray(images.read(picture.path, excerpt=picture.excerpt))
    assert 120 <= shown.min() <= shown.max() <= 135


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"Bounding_boxes": "1, 2, 3"}, "Bounding_boxes: must be 4 numbers between commas, got '1, 2, 3'"),
        ({"Bounding_boxes": "9, 2, 3, 4"}, "Bounding_boxes: [9.0, 2.0, 3.0, 4.0] is no box in 512 x 512"),
        ({"Coarse_lesion_type": "9"}, "Coarse_lesion_type: must be -1 or 1 to 8, got '9'"),
        ({"DICOM_windows": "wide"}, "DICOM_windows: must be 2 numbers"),
        ({"Image_size": "inf, inf"}, "Image_size: must be 2 numbers"),
    ],
)
def test_a_bad_deeplesion_row_names_file_line_and_column(
    tmp_path: Path, change: dict[str, str], fault: str
) -> None:
    with pytest.raises(DataError) as raised:
        deeplesion(tmp_path, change)
    assert str(raised.value).startswith(f"{tmp_path / 'DL_info.csv'}:2: {fault}")


LLD = {
    "files": {"train": "labels/Annotation.json"},
    "images": "images",
    "labels": {"0": "hepatic haemangioma", "6": "hepatocellular carcinoma"},
    "phases": ["C+A"],
    "picture": "liver MR image",
    "modality": "MRI",
}


def lld(root: Path, lesions: dict[str, Any]) -> list[Row]:
    series = {
        "studyUID": "1.2",
        "seriesUID": "1.2.3",
        "phase": "C+A",
        "annotation": {"num_targets": 1, "lesion": lesions},
    }
    text = {"Annotation_info": {"MR123": [series, {**series, "phase": "T2WI"}]}}
    put(root / "labels" / "Annotation.json", json.dumps(text))
    return read("lld_mmri_json", root, LLD)


@pytest.mark.parametrize("flip", [False, True])
def test_lld_mmri_boxes_lie_where_the_slice_shows_the_lesion(tmp_path: Path, flip: bool) -> None:
    volume = np.full((40, 30, 8), 100, np.int16)
    volume[4:10, 20:27, 2:5] = 1000
    nifti(tmp_path / "images" / "MR123" / "1.2" / "1.2.3.nii.gz", volume, flip=flip)
    sides = {"x_min": 4, "x_max": 9, "y_min": 20, "y_max": 26, "z_min": 2, "z_max": 4}
    lesion = {"category": 6, "bbox": {"2D_box": [], "3D_box": sides}}
    rows = lld(tmp_path, {"0": lesion})
    assert [task for task, *_ in told(rows)] == ["box", "finding"]
    assert told(rows)[1][2] == "hepatocellular carcinoma"
    (image,) = rows[0].images
    assert image.path is not None and image.excerpt is not None and image.excerpt.index == 3
    shown = np.asarray(images.read(image.path, excerpt=image.excerpt).convert("L"))
    assert rows[0].sample.answer == str(list(outlines.box(shown > 200)))
    assert lld(tmp_path, {"0": lesion, "1": lesion}) == []


@pytest.mark.parametrize(
    ("lesion", "fault"),
    [
        (
            {"category": 9, "bbox": {"3D_box": dict.fromkeys(("x_min", "y_min", "z_min"), 1)}},
            "3D_box: must have",
        ),
        ("big", "lesion: must be a record"),
    ],
)
def test_a_bad_lld_mmri_lesion_names_file_volume_and_field(tmp_path: Path, lesion: Any, fault: str) -> None:
    with pytest.raises(DataError) as raised:
        lld(tmp_path, {"0": lesion})
    assert str(raised.value).startswith(f"{tmp_path / 'labels' / 'Annotation.json'}:1: {fault}")
