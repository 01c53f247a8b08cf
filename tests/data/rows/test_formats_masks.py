"""Masks, polygons and label volumes, in their publishers' layouts, to questions on what is outlined."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from format_files import nifti, png, put, read, told
from PIL import Image, ImageDraw

from lingshu_train.data import images
from lingshu_train.data.images.labels import LabelVolume
from lingshu_train.data.questions import outlines
from lingshu_train.data.rows.row import Row
from lingshu_train.errors import DataError

Box = tuple[int, int, int, int]


def colour_mask(path: Path, *parts: tuple[Any, Box]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    mask = Image.new("RGB", (40, 30))
    for colour, box in parts:
        ImageDraw.Draw(mask).rectangle((box[0], box[1], box[2] - 1, box[3] - 1), fill=colour)
    mask.save(path)


ABDOMEN = {
    "files": {"train": "US/images/train/*.png"},
    "mask": "../../annotations/{name}/{file}",
    "parts": {"liver": [100, 0, 100], "kidney": [255, 255, 0], "spleen": [255, 0, 255]},
    "picture": "abdominal ultrasound image",
    "modality": "ultrasound",
}


def test_a_mask_in_colours_gives_presence_in_pairs_the_largest_part_and_a_box(tmp_path: Path) -> None:
    put(tmp_path / "US" / "images" / "train" / "ct14-1.png", png(3))
    mask = tmp_path / "US" / "annotations" / "train" / "ct14-1.png"
    colour_mask(mask, ((100, 0, 100), (2, 3, 22, 23)), ((255, 255, 0), (25, 5, 31, 11)))
    rows = told(read("labelled_masks", tmp_path, ABDOMEN))
    assert {task: answer for task, _, answer in rows if task == "largest"} == {"largest": "liver"}
    presence = [(about, answer) for task, about, answer in rows if task == "presence"]
    assert presence[1] == ("spleen", "no") and presence[0] in (("liver", "yes"), ("kidney", "yes"))
    boxes = {"liver": "[2, 3, 22, 23]", "kidney": "[25, 5, 31, 11]"}
    ((about, answer),) = [(about, answer) for task, about, answer in rows if task == "box"]
    assert boxes[about] == answer


def test_a_mask_that_does_not_fit_or_is_not_there_is_a_bad_row(tmp_path: Path) -> None:
    picture = put(tmp_path / "US" / "images" / "train" / "a[1].png", png(3))
    with pytest.raises(DataError, match=r"a\[1\]\.png:1: mask: 0 files match"):
        read("labelled_masks", tmp_path, ABDOMEN)
    colour_mask(tmp_path / "US" / "annotations" / "train" / "a[1].png")
    assert told(read("labelled_masks", tmp_path, ABDOMEN)) == []
    Image.new("RGB", (9, 9)).save(picture)
    with pytest.raises(DataError, match=r"a\[1\]\.png:1: mask: .* has \(40, 30\) pixels, the picture \(9"):
        read("labelled_masks", tmp_path, ABDOMEN)
    put(picture, b"no image")
    with pytest.raises(DataError, match=r"a\[1\]\.png:1: picture: .*cannot be read as an image"):
        read("labelled_masks", tmp_path, ABDOMEN)


def test_busi_joins_the_masks_of_a_picture_and_counts_them(tmp_path: Path) -> None:
    folder = tmp_path / "Dataset_BUSI_with_GT" / "benign"
    put(folder / "benign (1).png", png(3))
    colour_mask(folder / "benign (1)_mask.png", ("white", (1, 1, 9, 9)))
    colour_mask(folder / "benign (1)_mask_1.png", ("white", (20, 1, 30, 9)))
    fields = {
        "files": {"train": "Dataset_BUSI_with_GT/*/*).png"},
        "outlines": {"lesion": "{stem}_mask*.png"},
        "counted": ["lesion"],
        "labels": {"benign": "benign lesion", "malignant": "malignant lesion", "normal": "no lesion"},
        "picture": "breast ultrasound image",
        "modality": "ultrasound",
    }
    assert told(read("labelled_masks", tmp_path, fields)) == [
        ("finding", "", "benign lesion"),
        ("count", "lesion", "2"),
    ]


LIVER = {
    "files": {"train": "Normal/image/*.jpg"},
    "outlines": {
        "liver": "../segmentation/liver/{stem}.json",
        "mass": "../segmentation/mass/{stem}.json",
    },
    "optional": ["mass"],
    "picture": "liver ultrasound image",
    "modality": "ultrasound",
}


def test_polygons_are_filled_in_pixels_of_the_picture(tmp_path: Path) -> None:
    put(tmp_path / "Normal" / "image" / "1.jpg", png(3))
    outline = tmp_path / "Normal" / "segmentation" / "liver" / "1.json"
    put(outline, [[2, 3], [20.0, 3], [20, 15], [2, 15]])
    rows = told(read("labelled_masks", tmp_path, LIVER))
    assert ("presence", "mass", "no") in rows and ("box", "liver", "[2, 3, 21, 16]") in rows
    put(outline, [[2, 3], [20, 3]])
    with pytest.raises(
        DataError, match=r"1\.jpg:1: outline: .*1\.json must be at least three points x, y: 2 points"
    ):
        read("labelled_masks", tmp_path, LIVER)
    outline.unlink()
    with pytest.raises(DataError, match=r"1\.jpg:1: liver: no file matches"):
        read("labelled_masks", tmp_path, LIVER)
    assert told(read("labelled_masks", tmp_path, {**LIVER, "unstated": ["liver"]})) == [], (
        "no word of the liver"
    )


def test_contours_of_papila_are_lines_of_two_numbers(tmp_path: Path) -> None:
    put(tmp_path / "FundusImages" / "RET002OD.jpg", png(3))
    contours = tmp_path / "ExpertsSegmentations" / "Contours"
    put(contours / "RET002OD_disc_exp1.txt", "2.0e+00 3.0e+00\n22 3\n22 20\n2 20\n")
    put(contours / "RET002OD_cup_exp1.txt", "5 6\n10 6\n10 12\n5 12\n")
    fields = {
        "files": {"all": "FundusImages/*.jpg"},
        "outlines": {
            part: f"../ExpertsSegmentations/Contours/{{stem}}_{name}_exp1.txt"
            for part, name in (("optic disc", "disc"), ("optic cup", "cup"))
        },
        "patient": r"RET(\d{3})",
        "picture": "fundus photograph",
        "modality": "fundus photography",
    }
    rows = read("labelled_masks", tmp_path, fields, split="all")
    assert ("largest", "", "optic disc") in told(rows) and rows[0].sample.group == "002"


BRATS = {
    "files": {"train": "data/*/*-t2f.nii.gz"},
    "mask": "{name}-seg.nii.gz",
    "parts": {"oedema": 2, "resection cavity": 4},
    "slices": 2,
    "window": "spread",
    "picture": "brain MR image",
    "modality": "MRI",
}


@pytest.mark.parametrize("flip", [False, True])
def test_slices_of_a_label_volume_lie_as_the_picture_shows_them(tmp_path: Path, flip: bool) -> None:
    seg, picture = np.zeros((30, 20, 6), np.uint8), np.full((30, 20, 6), 40, np.int16)
    seg[3:9, 12:18, 2:5] = 2
    picture[3:9, 12:18, 2:5] = 900
    case = tmp_path / "data" / "BraTS-GLI-00005-100"
    nifti(case / "BraTS-GLI-00005-100-t2f.nii.gz", picture, flip=flip)
    nifti(case / "BraTS-GLI-00005-100-seg.nii.gz", seg, flip=flip)
    rows = [row for row in read("labelled_masks", tmp_path, BRATS) if row.sample.question_type == "bbox"]
    assert len(rows) == 2 and {row.sample.group for row in rows} == {rows[0].sample.group}
    for row in rows:
        (image,) = row.images
        assert image.path is not None and image.excerpt is not None and 2 <= image.excerpt.index < 5
        shown = np.asarray(images.read(image.path, excerpt=image.excerpt).convert("L"))
        assert row.sample.answer == str(list(outlines.box(shown > 200)))


def test_a_label_volume_that_is_torn_or_flat_is_a_bad_row(tmp_path: Path) -> None:
    nifti(tmp_path / "data" / "a" / "a-t2f.nii.gz", np.ones((4, 4, 4), np.uint8))
    seg = put(tmp_path / "data" / "a" / "a-seg.nii.gz", b"\x1f\x8btorn")
    torn = r"a-t2f\.nii\.gz:1: volume: .*a-seg\.nii\.gz: cannot be read as NIfTI"
    with pytest.raises(DataError, match=torn):
        read("labelled_masks", tmp_path, BRATS)
    nifti(seg, np.random.default_rng(0).integers(0, 5, (40, 40, 40), np.uint8), flip=True)
    put(seg, seg.read_bytes()[:9000])
    with pytest.raises(DataError, match=torn):
        read("labelled_masks", tmp_path, BRATS)
    nifti(seg, np.ones((4, 4), np.uint8))
    with pytest.raises(
        DataError, match=r"volume: .*a-seg\.nii\.gz: expected a volume of 3 dimensions, got 2"
    ):
        read("labelled_masks", tmp_path, BRATS)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"patient": "RET"}, "must have a group (in parentheses) for the patient"),
        ({"patient": "("}, "must be a regular expression"),
        ({"mask": "{case}-seg.nii.gz"}, "'{case}-seg.nii.gz' may hold only {name}, {file} and {stem}"),
        ({"outlines": {"tumour": "x"}}, "needs either `mask` and `parts`, or `outlines`"),
        ({"modality": "PET-CT"}, "must be 'X-ray'"),
    ],
)
def test_a_mistake_in_a_cards_fields_is_one_line(tmp_path: Path, change: dict[str, Any], fault: str) -> None:
    with pytest.raises(DataError, match=r"^data_cards/made\.md: lingshu\.fields") as raised:
        read("labelled_masks", tmp_path, {**BRATS, **change})
    assert fault in str(raised.value) and "\n" not in str(raised.value)


def test_oblong_voxels_are_made_square_as_the_picture_is(tmp_path: Path) -> None:
    seg = np.zeros((10, 20, 2), np.uint8)
    seg[2:4, 5:10, 1] = 7
    affine = np.diag([2.0, 1.0, 1.0, 1.0])
    nibabel.save(nibabel.Nifti1Image(seg, affine), tmp_path / "seg.nii")
    shown = images.Volume(tmp_path / "seg.nii").slice("axial", 1)
    slice_ = LabelVolume(tmp_path / "seg.nii").axial(1)
    assert slice_.shape == np.asarray(shown).shape[:2] == (20, 20)
    assert set(np.unique(slice_)) == {0, 7}


PANNUKE = {
    "files": {"fold_1": "Fold 1/images/fold1/images.npy"},
    "masks": {"fold_1": "Fold 1/masks/fold1/masks.npy"},
    "picture": "histopathology image",
    "modality": "histopathology",
}


def pannuke(root: Path, masks: np.ndarray) -> list[Row]:
    for place, name, array in (
        ("images", "images", np.full((2, 32, 32, 3), 200.0)),
        ("images", "types", np.array(["Breast", "Bile-duct"])),
        ("masks", "masks", masks),
    ):
        path = root / "Fold 1" / place / "fold1" / f"{name}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, array)
    return read("pannuke_npy", root, PANNUKE, split="fold_1")


def test_pannuke_counts_numbered_nuclei_even_where_they_touch(tmp_path: Path) -> None:
    masks = np.zeros((2, 32, 32, 6))
    masks[0, 2:8, 2:8, 0], masks[0, 2:8, 8:14, 0] = 3, 9
    masks[0, 20:26, 10:15, 4] = 12
    rows = told(pannuke(tmp_path, masks))
    assert {about: answer for task, about, answer in rows if task == "count"} == {
        "neoplastic nuclei": "2",
        "epithelial nuclei": "1",
    }
    assert ("box", "epithelial nuclei", "[10, 20, 15, 26]") in rows
    assert [answer for task, _, answer in rows if task == "finding"] == ["breast tissue", "bile duct tissue"]
    with pytest.raises(DataError, match=r"masks\.npy: must hold 2 masks of 6 channels, got \(2, 32, 32, 5\)"):
        pannuke(tmp_path, masks[..., :5])


@pytest.mark.parametrize("letter", [0xD800, 0xFFFFFF11])
def test_letters_that_are_none_are_an_error_of_the_file(tmp_path: Path, letter: int) -> None:
    """NumPy makes strings of any number, which fail when they are written."""
    pannuke(tmp_path, np.zeros((2, 32, 32, 6)))
    types = np.array(["Breast", "Bile-duct"])
    types.view(np.uint32)[1] = letter
    np.save(tmp_path / "Fold 1" / "images" / "fold1" / "types.npy", types)
    with pytest.raises(DataError, match=r"types\.npy: cannot be read as text"):
        read("pannuke_npy", tmp_path, PANNUKE, split="fold_1")
