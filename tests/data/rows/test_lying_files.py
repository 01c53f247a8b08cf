"""Masks, arrays, XML and Parquet that lie about what they hold: one line, and no memory for what is not there."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as arrow
import pyarrow.parquet as parquet
import pytest
from format_files import png, put, read, told
from memory import room
from PIL import Image

from lingshu_train.data.rows import published
from lingshu_train.errors import DataError

PICTURES = {
    "files": {"train": "image/*.png"},
    "picture": "ultrasound image",
    "modality": "ultrasound",
    "parts": {"liver": 1},
    "mask": "../label/{file}",
}
OUTLINES = {**PICTURES, "parts": {}, "mask": "", "outlines": {"liver": "../label/{stem}.json"}}


def large(path: Path, side: int = 13_000) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("1", (side, side)).save(path)


@pytest.mark.usefixtures("little_memory")
def test_a_mask_or_a_picture_of_too_many_pixels_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    large(tmp_path / "image" / "a.png")
    put(tmp_path / "label" / "a.json", [[0, 0], [9, 0], [9, 9]])
    large(tmp_path / "label" / "a.png")
    for fields in (PICTURES, OUTLINES):
        with pytest.raises(DataError, match=r"a\.png:1: picture: the header says 13000x13000 pixels"):
            read("labelled_masks", tmp_path, fields)
    put(tmp_path / "image" / "a.png", png(3))
    with pytest.raises(
        DataError, match=r"a\.png:1: mask: .*label/a\.png: the header says 13000x13000 pixels"
    ):
        read("labelled_masks", tmp_path, PICTURES)


def test_a_mask_of_noise_is_counted_in_one_pass(tmp_path: Path) -> None:
    """One comparison with the whole picture for each region was hours for a mask like this."""
    side = 1500
    for folder in ("image", "label"):
        (tmp_path / folder).mkdir()
    Image.new("L", (side, side)).save(tmp_path / "image" / "a.png")
    blocks = np.zeros((side // 5, side // 5, 5, 5), np.uint8)
    blocks[:, :, :4, :4] = 1
    Image.fromarray(blocks.transpose(0, 2, 1, 3).reshape(side, side)).save(tmp_path / "label" / "a.png")
    assert told(read("labelled_masks", tmp_path, {**PICTURES, "counted": ["liver"]})) == []


def npy_header(descr: str, shape: tuple[int, ...]) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": descr, "fortran_order": False, "shape": shape})
    return stream.getvalue()


def pickled() -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.array([{}], dtype=object), allow_pickle=True)
    return stream.getvalue()


def zipped(**members: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return stream.getvalue()


@pytest.mark.usefixtures("little_memory")
@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (
            npy_header("|u1", (10**12, 0)),
            r"must hold numbers or text, got uint8 of shape \(1000000000000, 0\)",
        ),
        (npy_header("|V0", (10**12, 9, 9)), r"must hold numbers or text, got \|V0"),
        (npy_header("|u1", (10**9, 9, 9)), "mmap length is greater than file size"),
        (npy_header("|u1", (-4, 9, 9)), "cannot be read as a NumPy array"),
        (pickled(), "Python objects"),
        (zipped(a=npy_header("|u1", (2,))), "cannot be read as a NumPy array: the magic string"),
        (b"\x93NUMPY\x01\x00\x20\x00{'descr': ((((((((((((  \n", "cannot be read as a NumPy array"),
    ],
)
def test_a_stack_of_pictures_that_lies_is_an_error_of_the_file(
    tmp_path: Path, content: bytes, fault: str
) -> None:
    put(tmp_path / "x_128_train.npy", content)
    fields: dict[str, Any] = {
        "files": {"train": "x_128_train.npy"},
        "labels": {"acrosome": "an abnormal acrosome"},
        "picture": "micrograph of a sperm",
        "modality": "light microscopy",
    }
    with pytest.raises(DataError, match=rf"x_128_train\.npy: .*{fault}"):
        read("mhsma_npy", tmp_path, fields)


@pytest.mark.usefixtures("little_memory")
@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (
            npy_header("|u1", (10**5, 10**5, 30)),
            r"slo_fundus has 300,000,000,000 bytes; 512,000,000 are accepted",
        ),
        (npy_header("|u1", (2**14, 2**14)), "the header says 268,435,456 bytes of pixels, but the file has"),
        (npy_header("|u1", (9, 9)), "EOF"),
        (npy_header("|V9", (9, 9)), r"must hold numbers or text, got \|V9"),
        (b"no array", "the magic string is not correct"),
        (b"\x93NUMPY\x09\x00", "cannot be read as NumPy arrays"),
    ],
)
def test_an_array_in_an_archive_that_lies_is_a_bad_row(tmp_path: Path, content: bytes, fault: str) -> None:
    note = io.BytesIO()
    np.save(note, np.array("Stable."))
    put(tmp_path / "d.npz", zipped(slo_fundus=content, note=note.getvalue()))
    with pytest.raises(DataError, match=rf"d\.npz:1: npz: .*{fault}"):
        read("fairvlmed_npz", tmp_path, {"files": {"train": "*.npz"}})


@pytest.mark.parametrize(
    ("size", "fault"), [("²", "must be a whole number"), ("9" * 5000, "must be a whole")]
)
def test_a_length_that_is_no_number_is_a_bad_row(tmp_path: Path, size: str, fault: str) -> None:
    written = f"<a><filename>a.png</filename><size><width>{size}</width><height>9</height></size></a>"
    put(tmp_path / "a.xml", written)
    fields = {
        "files": {"train": "*.xml"},
        "labels": {"polyp": "a polyp"},
        "images": ".",
        "picture": "image",
        "modality": "CT",
    }
    with pytest.raises(DataError, match=rf"a\.xml:1: size/width: {fault}"):
        read("labelled_boxes", tmp_path, fields)


@pytest.mark.usefixtures("little_memory")
def test_entities_that_grow_without_end_are_not_expanded(tmp_path: Path) -> None:
    entities = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 12))
    text = f'<!DOCTYPE d [<!ENTITY a0 "lol">{entities}]><d><AbstractText Label="FINDINGS">&a11;</AbstractText></d>'
    put(tmp_path / "1.xml", text)
    with pytest.raises(DataError, match=r"1\.xml:1: eCitation: not XML: limit on input amplification factor"):
        read("openi_xml", tmp_path, {"files": {"train": "*.xml"}})


def test_text_in_parquet_that_is_none_costs_its_row(tmp_path: Path) -> None:
    buffers = [None, arrow.py_buffer(np.array([0, 2, 4], np.int32)), arrow.py_buffer(b"\xff\xfeok")]
    texts = arrow.Array.from_buffers(arrow.string(), 2, buffers)
    parquet.write_table(arrow.table({"caption": texts}), tmp_path / "t.parquet")
    bad, good = published.read(tmp_path, "t.parquet")
    assert (bad.fault, bad.number, good.values) == ("not UTF-8", 1, {"caption": "ok"})


def test_one_large_value_that_many_rows_name_is_not_copied_for_all_of_them_at_once(tmp_path: Path) -> None:
    """One stored value of 16 MiB, 64 times: a kilobyte of file, which was twice that in memory, in Arrow and in Python."""
    value = arrow.array([bytes(2**24)], arrow.large_binary())
    column = arrow.DictionaryArray.from_arrays(arrow.array([0] * 64, arrow.int32()), value)
    parquet.write_table(arrow.table({"image": column}), tmp_path / "t.parquet", compression="zstd")
    assert (tmp_path / "t.parquet").stat().st_size < 10_000
    with room(2**30):
        assert sum(len(line.values["image"]) for line in published.read(tmp_path, "t.parquet")) == 2**30
