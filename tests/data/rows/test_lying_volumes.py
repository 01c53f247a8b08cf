"""Volumes that lie about what they hold cost their row one line: no memory, no time, no other exception."""

from __future__ import annotations

import gzip
import json
import struct
import zlib
from pathlib import Path

import nibabel
import numpy as np
import pytest
from format_files import nifti, put, read, told

from lingshu_train.errors import DataError


def claimed(shape: tuple[int, ...], *, offset: float = 352.0, voxels: bytes = b"") -> bytes:
    """A NIfTI file whose header says what it likes."""
    header = nibabel.Nifti1Header()
    header.set_data_dtype(np.int16)
    header.set_data_shape((2, 2, 2))
    header.set_sform(np.eye(4), code=1)
    content = bytearray(header.binaryblock + b"\0" * 4 + voxels)
    content[40:56] = struct.pack("<8h", len(shape), *shape, *[1] * (7 - len(shape)))
    content[108:112] = struct.pack("<f", offset)
    content[344:348] = b"n+1\0"
    return bytes(content)


LIES: dict[str, tuple[bytes, str]] = {
    "size": (claimed((1024, 1024, 1500)), r"the header says 3,145,728,352 bytes of pixels, but the file has"),
    "one large axis": (claimed((32_767, 32_767, 1)), r"the header says 32767x32767 pixels"),
    "beyond every limit": (
        claimed((1900, 1900, 32_767)),
        r"236,577,740,352 bytes of pixels; 4,294,967,296 are",
    ),
    "negative": (claimed((9, 9, -9)), r"int16 voxels of shape \(9, 9, -9\)"),
    "none": (claimed((9, 9, 0)), r"int16 voxels of shape \(9, 9, 0\)"),
    "offset": (claimed((4, 4, 4), offset=1e30), r"bytes of pixels; 4,294,967,296 are accepted"),
    "no offset": (claimed((4, 4, 4), offset=float("nan")), r"cannot be read as NIfTI"),
    "four axes": (claimed((4, 4, 4, 2), voxels=bytes(256)), r"must have 3 dimensions, got 4"),
    "no nifti": (b"\0" * 400, r"cannot be read as NIfTI"),
}
MASKS = {
    "files": {"train": "image/*"},
    "mask": "../label/{file}",
    "parts": {"liver": 1, "spleen": 2},
    "window": "spread",
    "picture": "MR image",
    "modality": "MRI",
}


@pytest.mark.usefixtures("little_memory")
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("lie", LIES)
def test_a_label_volume_that_lies_is_a_bad_row(tmp_path: Path, lie: str, suffix: str) -> None:
    content, fault = LIES[lie]
    picture, mask = tmp_path / "image" / f"a{suffix}", tmp_path / "label" / f"a{suffix}"
    nifti(picture, np.ones((4, 4, 4), np.int16))
    put(mask, gzip.compress(content) if suffix == ".nii.gz" else content)
    with pytest.raises(DataError, match=rf"image/a\.nii(\.gz)?:1: volume: .*label/a\.nii(\.gz)?: .*{fault}"):
        read("labelled_masks", tmp_path, MASKS)


@pytest.mark.usefixtures("little_memory")
def test_the_volume_that_a_window_is_found_for_is_held_against_its_file_too(tmp_path: Path) -> None:
    nifti(tmp_path / "label" / "a.nii.gz", np.ones((30, 30, 4), np.uint8))
    put(tmp_path / "image" / "a.nii.gz", gzip.compress(LIES["size"][0]))
    with pytest.raises(DataError, match=r"a\.nii\.gz:1: volume: the header says 3,145,728,352 bytes"):
        read("labelled_masks", tmp_path, MASKS)


@pytest.mark.usefixtures("little_memory")
def test_a_gzip_bomb_behind_a_small_label_volume_is_not_inflated(tmp_path: Path) -> None:
    nifti(tmp_path / "image" / "a.nii.gz", np.ones((4, 4, 4), np.int16))
    small = gzip.decompress((tmp_path / "image" / "a.nii.gz").read_bytes())
    packer = zlib.compressobj(1, wbits=31)
    pieces = [packer.compress(small), *(packer.compress(bytes(2**24)) for _ in range(64)), packer.flush()]
    put(tmp_path / "label" / "a.nii.gz", b"".join(pieces))
    with pytest.raises(
        DataError, match=r"decompresses to more than the 1,\d+,\d+ bytes that its header allows"
    ):
        read("labelled_masks", tmp_path, MASKS)


@pytest.mark.usefixtures("little_memory")
def test_voxels_that_would_make_a_huge_slice_are_refused(tmp_path: Path) -> None:
    for folder in ("image", "label"):
        path = tmp_path / folder / "a.nii.gz"
        path.parent.mkdir()
        volume = nibabel.Nifti1Image(np.ones((40, 40, 4), np.uint8), np.diag([1e-6, 1, 1, 1]))
        nibabel.save(volume, path)
    with pytest.raises(DataError, match=r"volume: .*the header says 40x40000000 pixels"):
        read("labelled_masks", tmp_path, MASKS)


@pytest.mark.usefixtures("little_memory")
def test_the_box_of_a_lesion_takes_no_volume(tmp_path: Path) -> None:
    """Its header alone was believed here: 78 bytes became 3 GB."""
    sides = dict.fromkeys(("x_min", "y_min", "z_min"), 1) | dict.fromkeys(("x_max", "y_max", "z_max"), 5)
    lesion = {"category": "0", "bbox": {"3D_box": sides}}
    series = {"studyUID": "s", "seriesUID": "x", "annotation": {"lesion": {"0": lesion}}}
    put(tmp_path / "Annotation.json", json.dumps({"Annotation_info": {"p": [series]}}))
    put(tmp_path / "images" / "p" / "s" / "x.nii.gz", gzip.compress(LIES["size"][0]))
    fields = {
        "files": {"train": "Annotation.json"},
        "images": "images",
        "labels": {"0": "cyst", "1": "haemangioma"},
        "picture": "liver MR image",
        "modality": "MRI",
    }
    with pytest.raises(
        DataError, match=r"Annotation\.json:1: volume: .*x\.nii\.gz: the header says 3,145,728"
    ):
        read("lld_mmri_json", tmp_path, fields)
    nifti(tmp_path / "images" / "p" / "s" / "x.nii.gz", np.arange(1000, dtype=np.int16).reshape(10, 10, 10))
    assert ("box", "the liver lesion", "[4, 4, 9, 9]") in told(read("lld_mmri_json", tmp_path, fields))
    sides["x_max"] = float("inf")  # type: ignore[assignment]
    put(tmp_path / "Annotation.json", json.dumps({"Annotation_info": {"p": [series]}}))
    with pytest.raises(DataError, match="3D_box: must have whole numbers"):
        read("lld_mmri_json", tmp_path, fields)


def nrrd(sizes: str, *more: str, content: bytes = b"", encoding: str = "raw") -> bytes:
    head = ["NRRD0004", "type: uint8", "dimension: 3", f"sizes: {sizes}", f"encoding: {encoding}", *more]
    head += ["space: RAS", "space directions: (1,0,0) (0,1,0) (0,0,1)", "", ""]
    return "\n".join(head).encode() + content


@pytest.mark.usefixtures("little_memory")
@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (nrrd("1000 1000 1000", content=bytes(99)), "the header says 1,000,000,000 bytes of pixels, but"),
        (nrrd("10 10 -5", content=bytes(500)), r"uint8 voxels of shape \(10, 10, -5\)"),
        (nrrd("9 9 9", "line skip: 999999999999", content=bytes(999)), "skips more lines than the file has"),
        (
            nrrd("4 4 4", encoding="gzip", content=gzip.compress(bytes(10**8))),
            "decompresses to more than the 512 bytes",
        ),
    ],
)
def test_nrrd_goes_through_the_same_door(tmp_path: Path, content: bytes, fault: str) -> None:
    pytest.importorskip("nrrd")
    put(tmp_path / "image" / "a.nrrd", nrrd("4 4 4", content=bytes(range(64))))
    put(tmp_path / "label" / "a.nrrd", content)
    with pytest.raises(DataError, match=rf"image/a\.nrrd:1: volume: .*label/a\.nrrd: .*{fault}"):
        read("labelled_masks", tmp_path, MASKS)


def test_label_volumes_may_be_nrrd(tmp_path: Path) -> None:
    pytest.importorskip("nrrd")
    mask = np.zeros((20, 20, 3), np.uint8)
    mask[2:8, 3:9] = 1
    content = np.arange(1200, dtype=np.uint16).astype(np.uint8).tobytes()
    put(tmp_path / "image" / "a.nrrd", nrrd("20 20 3", content=content))
    put(tmp_path / "label" / "a.nrrd", nrrd("20 20 3", content=mask.tobytes("F")))
    assert ("box", "liver", "[12, 11, 18, 17]") in told(read("labelled_masks", tmp_path, MASKS))
