"""Damage anywhere in a file that a row names or is costs one line: nothing but our own errors leaves a layout."""

from __future__ import annotations

import gzip
import io
import logging
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as arrow
import pyarrow.parquet as parquet
import pytest
from format_files import nifti, put, read
from pictures import damaged
from PIL import Image

from lingshu_train.errors import LingshuError

TIMES = 25
WORDS = {"picture": "image", "modality": "CT"}
MASKS = {"mask": "../label/{file}", "parts": {"liver": 1, "spleen": 2}, "counted": ["liver"], **WORDS}
XML = (
    '<?xml version="1.0"?><e><parentImage id="a"/><AbstractText Label="FINDINGS">None.</AbstractText>'
    "<filename>a.png</filename><size><width>9</width><height>9</height></size><object><name>polyp</name>"
    "<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>5</xmax><ymax>6</ymax></bndbox></object></e>"
)
draw = np.random.default_rng(0)


def saved(save: Callable[[io.BytesIO], object]) -> bytes:
    stream = io.BytesIO()
    save(stream)
    return stream.getvalue()


def npy(array: np.ndarray) -> bytes:
    return saved(lambda stream: np.save(stream, array))


def volumes(folder: Path, suffix: str) -> None:
    nifti(folder / "image" / f"a{suffix}", draw.integers(0, 900, (20, 20, 6)).astype(np.int16))
    nifti(folder / "label" / f"a{suffix}", draw.integers(0, 3, (20, 20, 6)).astype(np.uint8))


def pictures(folder: Path, suffix: str) -> None:
    for name in ("image", "label"):
        (folder / name).mkdir(parents=True)
        Image.fromarray(draw.integers(0, 3, (30, 40), np.uint8)).save(folder / name / f"a{suffix}")


def archive(folder: Path, _: str) -> None:
    pixels, note = draw.integers(0, 255, (20, 20), np.uint8), np.array("Stable.")
    put(folder / "a.npz", saved(lambda stream: np.savez_compressed(stream, slo_fundus=pixels, note=note)))


def sperm(folder: Path, _: str) -> None:
    put(folder / "x_128_train.npy", npy(draw.integers(0, 255, (5, 8, 8), np.uint8)))
    put(folder / "y_acrosome_train.npy", npy(np.array([0, 1, 1, 0, 1])))


def nuclei(folder: Path, _: str) -> None:
    put(folder / "images.npy", npy(np.full((2, 12, 12, 3), 200.0)))
    put(folder / "types.npy", npy(np.array(["Breast", "Bile-duct"])))
    put(folder / "masks.npy", npy(draw.integers(0, 3, (2, 12, 12, 6)).astype(float)))


def table(folder: Path, suffix: str) -> None:
    rows = {"image": ["x.png"] * 99, "question": [f"q{n}" for n in range(99)], "answer": ["a"] * 99}
    put(folder / f"t{suffix}", saved(lambda stream: parquet.write_table(arrow.table(rows), stream)))


CASES: dict[str, tuple[str, Callable[[Path, str], None], Mapping[str, Any]]] = {
    **{
        suffix: ("labelled_masks", volumes, {"files": {"train": "image/*"}, "window": "spread", **MASKS})
        for suffix in (".nii", ".nii.gz")
    },
    **{
        suffix: ("labelled_masks", pictures, {"files": {"train": "image/*"}, **MASKS})
        for suffix in (".png", ".tif", ".gif", ".bmp")
    },
    ".npz": ("fairvlmed_npz", archive, {"files": {"train": "*.npz"}}),
    "mhsma": ("mhsma_npy", sperm, {"files": {"train": "x_*.npy"}, "labels": {"acrosome": "damage"}, **WORDS}),
    "pannuke": (
        "pannuke_npy",
        nuclei,
        {"files": {"train": "images.npy"}, "masks": {"train": "masks.npy"}, **WORDS},
    ),
    "openi": (
        "openi_xml",
        lambda folder, _: put(folder / "a.xml", XML),
        {"files": {"train": "*.xml"}},
    ),
    "boxes": (
        "labelled_boxes",
        lambda folder, _: put(folder / "a.xml", XML),
        {"files": {"train": "*.xml"}, "labels": {"polyp": "a polyp"}, "images": ".", **WORDS},
    ),
    ".parquet": ("vqa_parquet", table, {"files": {"train": "t.parquet"}}),
}


@pytest.mark.parametrize("case", CASES)
def test_a_damaged_file_gives_rows_or_one_line(
    tmp_path: Path, case: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)  # nibabel tells of every header that it mends.
    format, write, fields = CASES[case]
    write(tmp_path, case)
    assert read(format, tmp_path, fields)
    whole = {path: path.read_bytes() for path in sorted(tmp_path.rglob("*")) if path.is_file()}
    rng, refused = random.Random(case), 0
    for _ in range(TIMES):
        for path, content in whole.items():
            inner = case == ".nii.gz" and rng.random() < 0.7
            bad = gzip.compress(damaged(gzip.decompress(content), rng), 1) if inner else damaged(content, rng)
            path.write_bytes(bad)
            try:
                read(format, tmp_path, fields)
            except LingshuError as fault:
                refused += 1
                assert "\n" not in str(fault)
            path.write_bytes(content)
    assert refused
