"""What is asked and taught of one labelled picture of each layout, in words. The trees are those of `support/published/`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from published import imaging, outlines, skin_and_eyes
from published.tree import Served

from lingshu_train.data import chat
from lingshu_train.data.cards import card as cards
from lingshu_train.data.rows import reading
from lingshu_train.data.rows.row import Row

Writes = Callable[[Served], None]


def rows(folder: Path, tree: Writes, split: str = "train") -> list[Row]:
    """The rows that the card of a tree reads of a split."""
    served = Served(folder)
    tree(served)
    card = cards.load(tree.__name__.partition("__")[0])
    (root,) = (place for place in (served.by_hand().root, *folder.glob("physionet/*")) if place.is_dir())
    return list(reading.open(card, root, split=split))


def taught(found: list[Row], picture: str) -> list[str]:
    """What is given and taught of one picture, a question a line; options by their texts, the letter's text as the answer."""
    said = []
    for row in found:
        if row.images[0].name == picture and row.sample.task != "template_modality":
            text = chat.taught(replace(row.sample, images=("",) * len(row.images)))
            asked, answer = text.split("\ntaught assistant: ")
            question, *options = asked.removeprefix("given user: [image]").splitlines()
            among = " or ".join(sorted(option[3:] for option in options))
            bare = answer.removeprefix("<answer>").removesuffix("</answer>")
            right = next((option[3:] for option in options if option[0] == bare), bare)
            said.append(f"{question}{f' ({among})' if among else ''} -> {right}")
    return said


WHERE = (
    "Give the bounding box of the following in this {} of 72 x 72 pixels, as [x1, y1, x2, y2] in pixels: {}."
)


def test_of_a_picture_in_a_folder_of_its_class_the_class_is_chosen_and_yes_and_no_are_asked(
    tmp_path: Path,
) -> None:
    assert taught(rows(tmp_path, imaging.brain_tumor_mri), "Training/glioma/Tr-gl_0010.jpg") == [
        "What does this brain MR image show? (glioma or meningioma or no tumour or pituitary tumour) -> glioma",
        "Does this brain MR image show the following: glioma? -> yes",
        "Does this brain MR image show the following: meningioma? -> no",
    ]


def test_of_a_film_with_several_findings_each_is_asked_and_no_single_one_is_chosen(tmp_path: Path) -> None:
    assert taught(rows(tmp_path, imaging.nih_chest_xray), "00000001_000.png") == [
        "Does this chest X-ray show the following: cardiomegaly? -> yes",
        "Does this chest X-ray show the following: pleural effusion? -> yes",
    ]


@pytest.mark.parametrize("tree", [imaging.chexpert, imaging.chexpert__batches])
def test_of_a_film_with_a_column_a_finding_what_is_uncertain_or_not_mentioned_is_not_asked(
    tmp_path: Path, tree: Writes
) -> None:
    found = rows(tmp_path, tree)
    assert all(row.images[0].exists() for row in found)
    asked = taught(found, found[0].images[0].name)
    assert asked[:2] == [
        "Does this chest X-ray show the following: atelectasis? -> yes",
        "Does this chest X-ray show the following: enlarged cardiomediastinum? -> no",
    ]
    assert not any("cardiomegaly" in line or "lung opacity" in line for line in asked), "-1.0 and blank"


def test_of_a_lesion_of_the_skin_the_group_of_its_table_is_chosen(tmp_path: Path) -> None:
    (first, *_) = taught(rows(tmp_path, skin_and_eyes.ham10000), "ISIC_0031633.jpg")
    assert first.startswith("What does this dermoscopic image show? (") and first.endswith(" -> melanoma")


def test_of_a_fundus_whose_findings_a_later_version_spells_otherwise_the_same_is_taught(
    tmp_path: Path,
) -> None:
    trees = (skin_and_eyes.brset, skin_and_eyes.brset__1_0_0, skin_and_eyes.brset__1_0_2)
    first, *others = (taught(rows(tmp_path / tree.__name__, tree), "img00002.jpg") for tree in trees)
    assert "Does this fundus photograph show the following: drusen? -> yes" in first
    assert all(one == first for one in others)


def test_of_a_blood_smear_cells_are_located_and_counted_where_all_have_their_box(tmp_path: Path) -> None:
    found = rows(tmp_path, outlines.bccd)
    assert taught(found, "BloodImage_00001.jpg") == [
        f"{WHERE.format('blood smear', 'white blood cell')} -> [10, 12, 30, 40]",
        "How many separate instances of the following does this blood smear show: white blood cell? -> 1",
        "Does this blood smear show the following: white blood cell? -> yes",
    ]
    (rest,) = (row for row in found if row.images[0].name == "BloodImage_00343.jpg")
    assert rest.notes == ("a box of zero size",), "the picture is kept, and the box that is none is told of"


def test_of_a_liver_whose_outline_was_forgotten_the_mass_is_located_and_nothing_is_said_of_the_liver(
    tmp_path: Path,
) -> None:
    found = rows(tmp_path, outlines.us_liver)
    name = "Malignant/Malignant/image/2.jpg"
    assert taught(found, name) == [
        "What does this liver ultrasound image show? (benign liver mass or malignant liver mass or no liver mass)"
        " -> malignant liver mass",
        f"{WHERE.format('liver ultrasound image', 'mass')} -> [20, 20, 41, 45]",
    ]
    notes = {row.notes for row in found if row.images[0].name == name and row.sample.task == "template_box"}
    assert notes == {("an outline is missing",)}
    assert len({row.images[0].name for row in found}) == 4, "a Mac's own files are no pictures"


def test_of_a_slice_with_one_marked_lesion_its_place_is_taught_and_its_kind_where_it_is_told(
    tmp_path: Path,
) -> None:
    place = f"{WHERE.format('CT slice', 'the lesion')} -> [10.25, 12.5, 30.75, 40.125]"
    assert taught(rows(tmp_path / "a", outlines.deeplesion), "000001_01_01/109.png") == [place]
    told = taught(rows(tmp_path / "b", outlines.deeplesion, "validation"), "000004_01_01/008.png")
    assert told[0] == place and told[1].endswith(" -> lung lesion")


def test_of_a_volume_slices_with_outlines_are_shown_and_what_is_in_them_is_asked(tmp_path: Path) -> None:
    found = rows(tmp_path, outlines.kipa22)
    name = next(row.images[0].name for row in found)
    asked = taught(found, name)
    assert name.startswith("train/image/case_00001.nii.gz#")
    largest = "Which of these takes up the largest area in this CT angiography slice of a kidney?"
    assert f"{largest} (kidney or kidney tumour) -> kidney" in asked
    assert any(line.startswith("Give the bounding box") for line in asked)


def test_of_a_patients_only_liver_lesion_place_and_kind_are_taught_and_no_kind_where_it_is_withheld(
    tmp_path: Path,
) -> None:
    found = rows(tmp_path, outlines.lld_mmri)
    place, kind = taught(found, "MR100/1.2.0/1.2.0.0.nii.gz")
    assert "arterial phase liver MR image of 48 x 40 pixels" in place and kind.endswith(
        "-> hepatocellular carcinoma"
    )
    assert len(taught(found, "MR102/1.2.2/1.2.2.0.nii.gz")) == 1
    assert not taught(found, "MR101/1.2.1/1.2.1.0.nii.gz"), "two lesions"


def test_of_a_sperm_cell_each_part_is_asked_about(tmp_path: Path) -> None:
    asked = taught(rows(tmp_path, outlines.mhsma), "x_128_train#2")
    assert "Does this micrograph of a sperm cell show the following: abnormal acrosome? -> yes" in asked


def test_of_a_tile_organ_kinds_and_numbers_of_nuclei_are_taught(tmp_path: Path) -> None:
    assert taught(rows(tmp_path, outlines.pannuke), "fold1/images#1") == [
        "What does this histopathology image show? (bile duct tissue or breast tissue) -> breast tissue",
        "Does this histopathology image show the following: neoplastic nuclei? -> yes",
        "Does this histopathology image show the following: epithelial nuclei? -> no",
        "How many separate instances of the following does this histopathology image show: neoplastic nuclei? -> 2",
    ]
