"""Template questions: deterministic, balanced, in the card's words, and judged by the verifier."""

from __future__ import annotations

import io
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from format_files import content, png, put, put_csv, read
from PIL import Image

from lingshu_train.data.questions import templates
from lingshu_train.data.rows.row import Row
from lingshu_train.errors import DataError
from lingshu_train.verify import gold_problem

BRAIN = {
    "files": {"train": "Training/*/*.jpg"},
    "labels": {
        "glioma": "glioma",
        "meningioma": "meningioma",
        "pituitary": "pituitary tumour",
        "notumor": "no tumour",
    },
    "healthy": ["no tumour"],
    "picture": "brain MR image",
    "modality": "MRI",
}


def brain(root: Path, counts: dict[str, int]) -> None:
    for label, count in counts.items():
        for number in range(count):
            put(root / "Training" / label / f"Tr-{label}_{number:04d}.jpg", png(number % 255))


def of(rows: list[Row], task: str) -> list[Row]:
    return [row for row in rows if row.sample.task == f"template_{task}"]


def answers(rows: list[Row]) -> Counter[tuple[str, str]]:
    """How often each label of a presence question was answered yes or no."""
    return Counter((row.sample.question.rpartition(": ")[2].rstrip("?"), row.sample.answer) for row in rows)


def test_a_folder_per_class_gives_choices_in_the_cards_words_and_balanced_yes_no(tmp_path: Path) -> None:
    brain(tmp_path, {"glioma": 40, "meningioma": 7, "pituitary": 20, "notumor": 30})
    rows = read("labelled_images", tmp_path, BRAIN)
    choices = of(rows, "finding")
    assert len(choices) == 97
    for row in choices:
        assert sorted(row.sample.options.values()) == sorted(BRAIN["labels"].values())
        right = row.sample.options[row.sample.answer]
        assert BRAIN["labels"][Path(row.images[0].name).parent.name] == right
    places = Counter(row.sample.answer for row in choices)
    assert min(places.values()) > 12
    assert answers(of(rows, "presence")) == {
        **{("glioma", answer): 40 for answer in ("yes", "no")},
        **{("meningioma", answer): 7 for answer in ("yes", "no")},
        **{("pituitary tumour", answer): 20 for answer in ("yes", "no")},
    }
    assert {gold_problem(row.sample) for row in rows} == {None}
    assert 2 <= len(of(rows, "modality")) <= 25


def test_the_questions_of_a_picture_depend_on_card_and_name_alone(tmp_path: Path) -> None:
    brain(tmp_path / "a", {"glioma": 10, "notumor": 10})
    brain(tmp_path / "b", {"glioma": 12, "notumor": 10})
    first, second = (read("labelled_images", tmp_path / place, BRAIN) for place in "ab")
    assert [row.sample for row in first] == [
        row.sample for row in read("labelled_images", tmp_path / "a", BRAIN)
    ]
    known = {row.images[0].name: row.sample for row in of(second, "finding")}
    for row in of(first, "finding"):
        assert row.sample == known[row.images[0].name]


def test_a_picture_in_a_folder_that_is_no_label_is_a_bad_row(tmp_path: Path) -> None:
    brain(tmp_path, {"glioma": 1, "gloma": 1})
    with pytest.raises(
        DataError, match=r"Tr-gloma_0000\.jpg:1: folder: no folder of .* is a label of the card"
    ):
        read("labelled_images", tmp_path, BRAIN)


def test_folders_are_the_words_where_the_card_gives_none(tmp_path: Path) -> None:
    for label in ("portal_vein", "liver"):
        put(tmp_path / "US" / label / "1.png", png(1))
    fields = {"files": {"train": "US/*/*.png"}, "picture": "ultrasound image", "modality": "ultrasound"}
    rows = of(read("labelled_images", tmp_path, fields), "finding")
    assert {row.sample.options[row.sample.answer] for row in rows} == {"portal vein", "liver"}


NIH = {
    "files": {"train": "Data_Entry_2017.csv"},
    "image": ["Image Index"],
    "label": ["Finding Labels"],
    "separator": "|",
    "images": "images_*/images",
    "group": "Patient ID",
    "only": {"train": "train_val_list.txt"},
    "labels": {"Effusion": "pleural effusion", "Mass": "mass", "No Finding": "no finding"},
    "healthy": ["no finding"],
    "picture": "chest X-ray",
    "modality": "X-ray",
}


def nih(root: Path, last: str) -> None:
    put_csv(
        root / "Data_Entry_2017.csv",
        [
            ["Image Index", "Finding Labels", "Patient ID"],
            ["1_000.png", "Effusion|Mass", "1"],
            ["1_001.png", "No Finding", "1"],
            ["2_000.png", "Mass", "2"],
            ["3_000.png", last, "3"],
        ],
    )
    put(root / "train_val_list.txt", "1_000.png\n1_001.png\n2_000.png\n")
    put(root / "images_012" / "images" / "2_000.png", png(7))
    put(root / "images_001" / "images" / "1_000.png", png(7))


def test_a_table_with_several_labels_per_cell_keeps_listed_pictures_over_all_folders(tmp_path: Path) -> None:
    nih(tmp_path, "Effusion")
    rows = read("labelled_images", tmp_path, NIH)
    assert {row.images[0].name for row in rows} == {"1_000.png", "1_001.png", "2_000.png"}
    assert [row.sample.group for row in of(rows, "finding")] == ["1", "2"]
    assert content(of(rows, "finding")[1].images[0]) == png(7)
    assert answers(of(rows, "presence")) == {
        ("pleural effusion", "yes"): 1,
        ("pleural effusion", "no"): 1,
        ("mass", "yes"): 1,
        ("mass", "no"): 1,
    }


def test_an_unknown_label_of_a_table_names_file_line_and_column(tmp_path: Path) -> None:
    nih(tmp_path, "Mars")
    with pytest.raises(
        DataError, match=r"2017\.csv:5: Finding Labels: unknown label 'Mars'; the card has: Eff"
    ):
        read("labelled_images", tmp_path, NIH)


def test_a_column_per_label_asks_nothing_about_what_is_uncertain_or_not_mentioned(tmp_path: Path) -> None:
    put_csv(
        tmp_path / "train.csv",
        [
            ["Path", "Edema", "Fracture"],
            ["v/train/patient00001/study1/view1_frontal.jpg", "1.0", "-1.0"],
            ["v/train/patient00002/study1/view1_frontal.jpg", "0.0", ""],
            ["v/train/patient00003/study1/view1_frontal.jpg", "1.0", "0.0"],
        ],
    )
    fields = {
        "files": {"train": "train.csv"},
        "image": ["Path"],
        "labels": {"Edema": "oedema", "Fracture": "fracture"},
        "patient": r"(patient\d+)",
        "picture": "chest X-ray",
        "modality": "X-ray",
    }
    rows = read("labelled_images", tmp_path, fields)
    assert answers(of(rows, "presence")) == {("oedema", "yes"): 1, ("oedema", "no"): 1}
    (choice,) = of(rows, "finding")
    assert (choice.sample.group, set(choice.sample.options.values())) == (
        "patient00003",
        {"oedema", "fracture"},
    )


def test_a_column_that_the_table_lacks_is_an_error_and_not_an_unknown(tmp_path: Path) -> None:
    put_csv(tmp_path / "train.csv", [["Path", "Edema"], ["a.jpg", "1"]])
    fields = {
        "files": {"train": "train.csv"},
        "image": ["Path"],
        "picture": "chest X-ray",
        "modality": "X-ray",
    }
    with pytest.raises(DataError, match=r"train\.csv:2: Oedema: is missing; the row has: Edema, Path"):
        read("labelled_images", tmp_path, {**fields, "labels": {"Edema": "oedema", "Oedema": "x"}})
    with pytest.raises(DataError, match=r"lingshu\.fields.*a table needs `labels`"):
        read("labelled_images", tmp_path, fields)


MHSMA = {
    "files": {"train": "mhsma/x_128_train.npy"},
    "labels": {"acrosome": "abnormal acrosome", "tail": "abnormal tail"},
    "picture": "micrograph of a sperm",
    "modality": "light microscopy",
}


def stacks(root: Path, **arrays: Any) -> None:
    (root / "mhsma").mkdir(exist_ok=True)
    for name, array in arrays.items():
        np.save(root / "mhsma" / f"{name}.npy", array)


def test_mhsma_stacks_are_read_by_index(tmp_path: Path) -> None:
    pictures = np.arange(4 * 9, dtype=np.uint8).reshape(4, 3, 3)
    stacks(tmp_path, x_128_train=pictures, y_acrosome_train=[1, 0, 1, 0], y_tail_train=[0, 0, 0, 0])
    rows = of(read("mhsma_npy", tmp_path, MHSMA), "presence")
    assert answers(rows) == {("abnormal acrosome", answer): 2 for answer in ("yes", "no")}
    with Image.open(io.BytesIO(content(rows[0].images[0]))) as image:
        assert np.array_equal(np.asarray(image), pictures[0])


def test_mhsma_labels_that_do_not_fit_their_pictures_are_refused(tmp_path: Path) -> None:
    stacks(tmp_path, x_128_train=np.zeros((2, 3, 3), np.uint8), y_acrosome_train=[1], y_tail_train=[1, 0])
    with pytest.raises(DataError, match=r"y_acrosome_train\.npy: must hold 2 labels, got \(1,\)"):
        read("mhsma_npy", tmp_path, MHSMA)
    stacks(tmp_path, x_128_train=np.full((2, 3, 3), 300), y_acrosome_train=[1, 0])
    with pytest.raises(DataError, match=r"x_128_train\.npy:1: pixels: must be whole numbers from 0 to 255"):
        read("mhsma_npy", tmp_path, MHSMA)


def test_balance_holds_for_frequent_labels_too() -> None:
    each = [
        (str(number), {"a"} if number < 9 else {"b"}, {"b"} if number < 9 else {"a"}) for number in range(10)
    ]
    asked = templates.balanced(each, "card")
    told = Counter((label, there) for labels in asked.values() for label, there in labels.items())
    assert told == {("a", True): 1, ("a", False): 1, ("b", True): 1, ("b", False): 1}
