"""A row may show many pictures: slices of a volume or of a DICOM series, prior and current film, each called by its name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from format_files import card_of, nifti, put, put_csv
from pictures import write_dicom
from PIL import Image

from lingshu_train.data import images
from lingshu_train.data.rows import reading, slices
from lingshu_train.data.rows.row import Row
from lingshu_train.errors import DataError

DEPTH = 40
TABLE = {"files": {"train": "rows.csv"}, "image": "scan", "question": "question", "answer": "answer"}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A volume whose n-th axial slice from the feet has the brightness 5 n, and a mask of slices 20 to 27 from 0."""
    volume = np.broadcast_to(np.arange(DEPTH, dtype=np.int16) * 5, (12, 12, DEPTH))
    nifti(tmp_path / "ct" / "a.nii.gz", volume)
    marked = np.zeros((12, 12, DEPTH), np.uint8)
    marked[3, 4, 20:28] = 2
    nifti(tmp_path / "ct" / "a_mask.nii.gz", marked)
    return tmp_path


def asked(root: Path, question: str = "Is there a mass?", scan: str = "ct/a.nii.gz", **more: str) -> None:
    cells = {"scan": scan, "question": question, "answer": "yes", **more}
    put_csv(root / "rows.csv", [list(cells), list(cells.values())])


def rows(root: Path, **fields: Any) -> list[Row]:
    return list(reading.open(card_of("table", TABLE | fields), root, split="train"))


def numbers(row: Row) -> list[int]:
    """Of the slices, by what the question says of them."""
    marked = [line for line in row.sample.question.splitlines() if line.endswith("<image>")]
    assert len(marked) == len(row.images) == row.sample.question.count("<image>")
    return [int(line.removeprefix("slice ").partition(" of ")[0]) for line in marked]


def brightness(row: Row) -> list[int]:
    """Of each picture, as a corpus reads it, over a window of the values 0 to 255."""
    found = [images.decode(one.path or Path(), data=one.data, excerpt=one.excerpt) for one in row.images]
    return [int(np.asarray(one).mean().round()) for one in found]


def test_slices_are_spread_evenly_and_called_by_their_place(root: Path) -> None:
    asked(root)
    (row,) = rows(root, volume={"most": 4}, window=[127.5, 255])
    assert row.sample.question == (
        "slice 6 of 40: <image>\nslice 16 of 40: <image>\nslice 26 of 40: <image>\nslice 36 of 40: <image>\nIs there a mass?"
    )
    assert brightness(row) == pytest.approx([25, 75, 125, 175], abs=1)
    assert row.sample.group == "ct/a.nii.gz"


def test_a_volume_of_fewer_slices_is_shown_whole(root: Path) -> None:
    asked(root)
    (row,) = rows(root, volume={"most": 50})
    assert numbers(row) == list(range(1, DEPTH + 1))


@pytest.mark.parametrize(("plane", "depth"), [("axial", 40), ("sagittal", 12), ("coronal", 12)])
def test_the_plane_is_the_cards(root: Path, plane: str, depth: int) -> None:
    asked(root)
    (row,) = rows(root, volume={"plane": plane, "most": 3})
    assert f"slice 3 of {depth}: " in row.sample.question or f"of {depth}: " in row.sample.question
    assert {one.excerpt.plane for one in row.images if one.excerpt} == {plane}


def test_a_mask_says_which_slices_are_shown(root: Path) -> None:
    asked(root)
    (row,) = rows(root, volume={"most": 4, "mask": "{stem}_mask.nii.gz"})
    assert numbers(row) == [22, 24, 26, 28]
    (row,) = rows(root, volume={"most": 20, "mask": "{stem}_mask.nii.gz"})
    assert numbers(row) == list(range(21, 29))


@pytest.mark.parametrize("told", ["12", "3, 12 ,40", "[40, 3, 12]", "3;12;40"])
def test_key_slices_are_those_that_the_row_lists(root: Path, told: str) -> None:
    asked(root, shown=told)
    (row,) = rows(root, volume={"key": "shown"})
    assert numbers(row) == ([12] if told == "12" else [3, 12, 40])


@pytest.mark.parametrize(
    ("told", "volume", "said"),
    [
        ("41", {"key": "shown"}, "must hold numbers of slices, 1 to 40"),
        ("0", {"key": "shown"}, "must hold numbers of slices, 1 to 40"),
        ("a", {"key": "shown"}, "must hold numbers of slices, 1 to 40"),
        ("", {"key": "shown"}, "shown: is empty"),
        ("1", {"mask": "b_mask.nii.gz"}, "0 files match the mask 'b_mask.nii.gz', must be one"),
        ("1", {"mask": "../thin.nii.gz"}, "has 3 axial slices, the volume 40"),
        ("1", {"mask": "../empty.nii.gz"}, "marks no slice"),
    ],
)
def test_a_row_whose_slices_cannot_be_told_is_refused_in_one_line(
    root: Path, told: str, volume: dict[str, str], said: str
) -> None:
    nifti(root / "thin.nii.gz", np.ones((12, 12, 3), np.uint8))
    nifti(root / "empty.nii.gz", np.zeros((12, 12, DEPTH), np.uint8))
    asked(root, shown=told)
    with pytest.raises(DataError, match=said) as raised:
        rows(root, volume=volume)
    assert str(raised.value).startswith(f"{root / 'rows.csv'}:2: ")
    assert "\n" not in str(raised.value)


def test_a_row_of_more_pictures_than_the_card_takes_is_refused(root: Path) -> None:
    asked(root)
    with pytest.raises(DataError, match="the row shows 8 pictures; the card takes 6"):
        rows(root, volume={}, most_pictures=6)
    assert len(rows(root, volume={"most": 6}, most_pictures=6)) == 1


def test_a_series_in_a_folder_is_shown_in_the_scanners_order(root: Path) -> None:
    for number in range(1, 11):
        pixels = np.full((12, 12), 10 * number, np.uint16)
        # Names say nothing of the order.
        write_dicom(
            put(root / "series" / f"{number * 7 % 11}.dcm", ""),
            pixels,
            InstanceNumber=number,
            SeriesInstanceUID="1.2",
        )
    put(root / "series" / "readme.txt", "no picture")
    asked(root, scan="series")
    (row,) = rows(root, volume={"most": 5}, window=[127.5, 255])
    assert numbers(row) == [2, 4, 6, 8, 10]
    assert brightness(row) == pytest.approx([20, 40, 60, 80, 100], abs=1)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"SeriesInstanceUID": "1.3"}, "holds 2 series; give each a folder of its own"),
        ({"InstanceNumber": 1}, "has the number 1 of 1.dcm; a folder must hold one series"),
        ({"InstanceNumber": None}, "has no InstanceNumber, so its place in the series is not known"),
    ],
)
def test_a_folder_that_is_no_series_is_refused(root: Path, change: dict[str, Any], said: str) -> None:
    for number in (1, 2):
        more = {"InstanceNumber": number, "SeriesInstanceUID": "1.2", **(change if number == 2 else {})}
        write_dicom(put(root / "series" / f"{number}.dcm", ""), np.zeros((12, 12), np.uint16), **more)
    asked(root, scan="series")
    with pytest.raises(DataError, match=said):
        rows(root, volume={})


def test_a_folder_without_the_key_is_no_picture(root: Path) -> None:
    write_dicom(put(root / "series" / "1.dcm", ""), np.zeros((12, 12), np.uint16), InstanceNumber=1)
    asked(root, scan="series")
    (row,) = rows(root)
    with pytest.raises(
        DataError, match="is a folder and no picture; `volume` in a card's fields shows the series in it"
    ):
        row.images[0].source()


def test_frames_of_a_film_are_taken_as_they_lie(root: Path) -> None:
    write_dicom(
        root / "cine.dcm", np.arange(16, dtype=np.uint8)[:, None, None] * np.ones((16, 12, 12), np.uint8)
    )
    asked(root, scan="cine.dcm")
    (row,) = rows(root, volume={"most": 4})
    assert numbers(row) == [3, 7, 11, 15]
    assert [one.excerpt.frame for one in row.images if one.excerpt] == [2, 6, 10, 14]


def films(root: Path) -> None:
    for name, shade in (("prior.png", 50), ("now.png", 200)):
        Image.new("L", (12, 12), shade).save(root / name)


def test_prior_and_current_film_are_called_so(root: Path) -> None:
    films(root)
    asked(root, "Has it grown?", scan='["prior.png", "now.png"]')
    (row,) = rows(root, views=["prior", "current"])
    assert row.sample.question == "prior: <image>\ncurrent: <image>\nHas it grown?"
    assert brightness(row) == [50, 200]


def test_names_stand_where_the_publisher_put_the_pictures(root: Path) -> None:
    films(root)
    asked(root, "Compare <image> with <image>, please.", scan='["prior.png", "now.png"]')
    (row,) = rows(root, views=["prior", "current"])
    assert row.sample.question == "Compare prior: <image> with current: <image>, please."


def test_a_volume_beside_a_film_has_both_names(root: Path) -> None:
    films(root)
    asked(root, "Is it new?", scan='["prior.png", "ct/a.nii.gz"]')
    (row,) = rows(root, views=["film", "CT"], volume={"most": 2})
    assert (
        row.sample.question
        == "film: <image>\nCT, slice 11 of 40: <image>\nCT, slice 31 of 40: <image>\nIs it new?"
    )


def test_another_number_of_pictures_than_names_is_refused(root: Path) -> None:
    films(root)
    asked(root, scan="now.png")
    with pytest.raises(DataError, match="views: 2 names for 1 pictures: prior, current"):
        rows(root, views=["prior", "current"])


def test_without_the_keys_a_row_is_what_it_was(root: Path) -> None:
    films(root)
    asked(root, scan='["prior.png", "now.png"]')
    (row,) = rows(root)
    assert row.sample.question == "Is there a mass?"
    assert [one.name for one in row.images] == ["prior.png", "now.png"]


def test_dialogues_show_slices_at_their_first_question(root: Path) -> None:
    talk = [
        {"from": "human", "value": "<image>\nWhich organ?"},
        {"from": "gpt", "value": "The liver."},
        {"from": "human", "value": "Is there a mass?"},
        {"from": "gpt", "value": "Yes."},
    ]
    put(root / "talk.json", json.dumps([{"id": "1", "image": "ct/a.nii.gz", "conversations": talk}]))
    card = card_of(
        "llava_conversations", {"files": {"train": "talk.json"}, "images": ".", "volume": {"most": 2}}
    )
    (row,) = reading.open(card, root, split="train")
    assert row.turns[0].question.splitlines() == [
        "slice 11 of 40: <image>",
        "slice 31 of 40: <image>",
        "Which organ?",
    ]
    assert row.sample.question == "Is there a mass?"


@pytest.mark.parametrize("count", [1, 2, 7, 8, 9, 40, 1000])
def test_evenly_is_in_the_middle_of_equal_parts(count: int) -> None:
    found = slices.spread_over(range(count), 8)
    assert len(found) == min(count, 8)
    assert found == sorted(set(found))
    if count > 8:
        assert found[0] + found[-1] in (count - 2, count - 1, count)


def test_both_ways_to_choose_is_one_too_many(root: Path) -> None:
    asked(root)
    with pytest.raises(DataError, match="`mask` and `key` both say which slices are shown"):
        rows(root, volume={"mask": "a", "key": "b"})
