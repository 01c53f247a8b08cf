"""One rule for every layout that reads pictures: how grey of more than 8 bits becomes brightness stands under `fields`."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from format_files import card_of, nifti, put, put_csv, put_parquet
from odd_rows import GOOD, WORDS
from pictures import lookup, shown, write_dicom
from PIL import Image

from lingshu_train.data import images
from lingshu_train.data.images.windows import Scale, shade
from lingshu_train.data.rows import layouts, reading
from lingshu_train.data.rows.formats import caption_urls
from lingshu_train.data.rows.row import Row
from lingshu_train.errors import DataError

pytest.importorskip("pydicom")

SIDE = 12
DEEP = np.linspace(100, 3900, SIDE * SIDE).astype(np.uint16).reshape(SIDE, SIDE)
XML = (
    "<e><filename>a.png</filename><size><width>12</width><height>12</height></size><object><name>p</name>"
    "<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>5</xmax><ymax>6</ymax></bndbox></object></e>"
)
PICTURED = [
    name
    for name, (_, good) in GOOD.items()
    if name not in ("text_instruction", "apollo_json", "deeplesion_csv")
]


def deep(path: Path, **values: Any) -> None:
    """Twelve bits in a file of the kind that its name says; without a window."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".dcm":
        write_dicom(path, DEEP, **{"Modality": "DX", "BitsStored": 12, "HighBit": 11, **values})
    else:
        Image.fromarray(DEEP).save(path, "TIFF" if path.suffix == ".tif" else "PNG")


def rows(root: Path, format: str, fields: dict[str, Any]) -> list[Row]:
    found = list(reading.open(card_of(format, fields), root, split="train"))
    assert any(row.images for row in found)
    return found


def decoded(found: list[Row]) -> list[Image.Image]:
    return [
        images.read(picture.path or Path(picture.name), data=picture.data, excerpt=picture.excerpt)
        for row in found
        for picture in row.images
    ]


def prepared(root: Path, format: str) -> dict[str, Any]:
    """A card's fields, with rows and deep pictures of the layout below `root`."""
    match format:
        case "labelled_boxes":
            put(root / "a.xml", XML)
            deep(root / "a.png")
            return {"files": {"train": "*.xml"}, "labels": {"p": "a polyp"}, "images": ".", **WORDS}
        case "labelled_masks":
            deep(root / "image" / "a.png")
            (root / "label").mkdir()
            Image.fromarray((DEEP > 2000).astype(np.uint8)).save(root / "label" / "a.png")
            return {
                "files": {"train": "image/*"},
                "mask": "../label/{file}",
                "parts": {"liver": 1, "spleen": 2},
                **WORDS,
            }
        case "folders":
            for label in ("cyst", "mass"):
                deep(root / label / "a.dcm")
            return {"files": {"train": "*/*.dcm"}, **WORDS}
    fields, good = GOOD[format]
    put(root / "t.jsonl", json.dumps(good))
    whole = {"files": {"train": "t.jsonl"}, **fields}
    if format == "caption_urls":
        deep(root / "images" / caption_urls.file_name(good["image_url"]))
    else:
        for row in rows(root, format, whole):
            for picture in row.images:
                assert picture.path is not None
                deep(picture.path)
    return whole


@pytest.mark.parametrize("format", [*PICTURED, "labelled_boxes", "labelled_masks", "folders"])
def test_the_advice_for_deep_pictures_works_in_every_layout(tmp_path: Path, format: str) -> None:
    fields = prepared(tmp_path, format)
    format = "labelled_images" if format == "folders" else format
    with pytest.raises(DataError, match=r"1[26]-bit pixels without a window; say under `fields`") as refused:
        decoded(rows(tmp_path, format, fields))
    advised = re.findall(r"`window: ([^`]+)`", str(refused.value))
    assert advised == ["[centre, width]", "spread", "full"]
    for window in ([2000, 3800], *advised[1:]):
        for picture in decoded(rows(tmp_path, format, {**fields, "window": window})):
            levels = np.asarray(picture)[..., 0]
            assert levels[0, 0] < levels[-1, -1] and len(np.unique(levels)) > 5, window


def test_bytes_in_a_row_follow_it_too(tmp_path: Path) -> None:
    stream = io.BytesIO()
    Image.fromarray(DEEP).save(stream, "PNG")
    row = {"image": {"bytes": stream.getvalue(), "path": None}, "question": "Q", "answer": "A"}
    put_parquet(tmp_path / "t.parquet", [row])
    fields = {"files": {"train": "t.parquet"}, "window": "spread"}
    (picture,) = decoded(rows(tmp_path, "vqa_parquet", fields))
    assert (shown(picture)[0], shown(picture)[-1]) == (0, 255)


def vqa(root: Path, *names: str, window: Any = None) -> list[Image.Image]:
    """Pictures of a CSV of questions."""
    put_csv(root / "t.csv", [["image", "question", "answer"], *([name, "Q", "A"] for name in names)])
    fields: dict[str, Any] = {"files": {"train": "t.csv"}} | ({"window": window} if window else {})
    return decoded(rows(root, "vqa_parquet", fields))


def test_full_is_all_that_the_stored_bits_can_hold(tmp_path: Path) -> None:
    values = np.array([[0, 2048, 4095]], dtype=np.uint16)
    for name, more in (
        ("plain.dcm", {}),
        ("scaled.dcm", {"RescaleSlope": 2, "RescaleIntercept": -1024}),
    ):
        write_dicom(tmp_path / name, values, Modality="DX", BitsStored=12, HighBit=11, **more)
    write_dicom(
        tmp_path / "dark.dcm",
        values,
        BitsStored=12,
        HighBit=11,
        Modality="DX",
        PhotometricInterpretation="MONOCHROME1",
    )
    write_dicom(
        tmp_path / "signed.dcm", values.astype(np.int16) - 2048, BitsStored=12, HighBit=11, Modality="DX"
    )
    Image.fromarray(np.array([[0, 32768, 65535]], dtype=np.uint16)).save(tmp_path / "deep.png")
    names = ("plain.dcm", "scaled.dcm", "dark.dcm", "signed.dcm", "deep.png")
    found = [shown(picture) for picture in vqa(tmp_path, *names, window="full")]
    assert found == [[0, 128, 255], [0, 128, 255], [255, 127, 0], [0, 128, 255], [0, 128, 255]]


def test_spread_leaves_out_zeros_and_padding_and_is_taken_of_each_picture(tmp_path: Path) -> None:
    values = np.concatenate([np.zeros(50), np.full(5, 4000), np.arange(500, 1501)]).astype(np.uint16)[None]
    write_dicom(tmp_path / "a.dcm", values, Modality="DX", BitsStored=12, HighBit=11, PixelPaddingValue=4000)
    (picture,) = vqa(tmp_path, "a.dcm", window="spread")
    levels = shown(picture)
    assert levels[:55] == [0] * 55 and levels[55] == 0 and levels[-1] == 255
    assert levels[55 + 500] in (127, 128)


def test_a_window_of_the_file_stands_before_a_rule_and_behind_numbers(tmp_path: Path) -> None:
    values = np.array([[0, 1000, 2000]], dtype=np.uint16)
    known = {"Modality": "DX", "BitsStored": 12, "HighBit": 11}
    write_dicom(tmp_path / "window.dcm", values, WindowCenter=1000.5, WindowWidth=2001, **known)
    write_dicom(
        tmp_path / "sigmoid.dcm",
        values,
        WindowCenter=1000,
        WindowWidth=1000,
        VOILUTFunction="SIGMOID",
        **known,
    )
    write_dicom(tmp_path / "table.dcm", values, VOILUTSequence=[lookup(0, [0, 255], 8)], **known)
    names = ("window.dcm", "sigmoid.dcm", "table.dcm")
    own = [shown(picture) for picture in vqa(tmp_path, *names)]
    assert own[0] == [0, 128, 255]
    for rule in ("spread", "full"):
        assert [shown(picture) for picture in vqa(tmp_path, *names, window=rule)] == own
    numbers = [shown(picture) for picture in vqa(tmp_path, "window.dcm", window=[1000.5, 1001])]
    assert numbers == [[0, 128, 255]]


def test_colour_and_eight_bits_of_the_same_set_stay_as_they_are(tmp_path: Path) -> None:
    deep(tmp_path / "deep.png")
    Image.new("RGB", (4, 4), (9, 8, 7)).save(tmp_path / "colour.png")
    Image.new("L", (4, 4), 77).save(tmp_path / "grey.jpg")
    write_dicom(tmp_path / "us.dcm", np.full((4, 4, 3), 50, np.uint8), Modality="US")
    for window in ("spread", "full", [2000, 3800]):
        _, colour, grey, us = vqa(tmp_path, "deep.png", "colour.png", "grey.jpg", "us.dcm", window=window)
        assert (colour.getpixel((0, 0)), grey.getpixel((0, 0)), us.getpixel((0, 0))) == (
            (9, 8, 7),
            (77, 77, 77),
            (50, 50, 50),
        )


def test_fractions_have_no_full_range_and_are_not_clipped_by_spread(tmp_path: Path) -> None:
    values = np.linspace(0.1, 1.0, 101, dtype=np.float32)[None]
    Image.fromarray(values).save(tmp_path / "map.tif")
    with pytest.raises(DataError, match=r"map\.tif: `window: full` is for whole numbers.*`window: spread`"):
        vqa(tmp_path, "map.tif", window="full")
    levels = shown(vqa(tmp_path, "map.tif", window="spread")[0])
    assert levels[0] == 0 and levels[50] in (127, 128) and levels[-1] == 255


def test_values_over_the_stored_bits_are_refused_and_not_clipped() -> None:
    with pytest.raises(DataError, match=r"values from 0 to 5000 do not fit 12 bits; give `window: spread`"):
        shade(Path("a"), np.array([[0, 5000]], np.uint16), window="full", scale=Scale(bits=12))


def test_a_window_that_the_rows_state_is_kept(tmp_path: Path) -> None:
    fields, good = GOOD["deeplesion_csv"]
    put(tmp_path / "t.jsonl", json.dumps({**good, "DICOM_windows": "-175, 275"}))
    found = rows(tmp_path, "deeplesion_csv", {"files": {"train": "t.jsonl"}, "window": "full", **fields})
    assert {row.images[0].excerpt and row.images[0].excerpt.window for row in found} == {(32818.0, 450.0)}


@pytest.mark.parametrize("format", ["labelled_masks", "vqa_parquet"])
@pytest.mark.parametrize(
    ("window", "message"),
    [
        (
            "spraed",
            r"fields\.window.*no such window; right would be \[centre, width\], or one of full, spread",
        ),
        ([40, 0], r"fields\.window.*wider than 1"),
        ([40], r"fields\.window"),
    ],
)
def test_a_window_that_is_none_is_an_error_of_the_card(format: str, window: Any, message: str) -> None:
    masks = {"mask": "m/{file}", "parts": {"liver": 1}, **WORDS} if format == "labelled_masks" else {}
    card = card_of(format, {"files": {"train": "*"}, "window": window, **masks})
    with pytest.raises(DataError, match=message):
        layouts.fields(card)


def test_spread_of_a_volume_is_that_of_all_its_slices(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    voxels = rng.uniform(0.2, 1.0, (20, 20, 6))
    nifti(tmp_path / "image" / "a.nii", voxels.astype(np.float32))
    nifti(tmp_path / "label" / "a.nii", np.ones((20, 20, 6), np.uint8))
    fields = {
        "files": {"train": "image/*"},
        "mask": "../label/{file}",
        "parts": {"liver": 1, "spleen": 2},
        "window": "spread",
        **WORDS,
    }
    levels = np.asarray(decoded(rows(tmp_path, "labelled_masks", fields))[0])[..., 0]
    # Fractions between 0 and 1 are spread over all of brightness.
    assert levels.min() < 10 and levels.max() > 245 and 110 < levels.mean() < 145
