"""Slices of volumes lie as a radiologist expects, however the file's axes run."""

from __future__ import annotations

import gzip
import itertools
import struct
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lingshu_train.data import images
from lingshu_train.data.images.excerpt import Excerpt
from lingshu_train.errors import DataError, MissingInput

nibabel = pytest.importorskip("nibabel")
PLANES: tuple[Any, ...] = ("axial", "coronal", "sagittal")


def test_volume_slices_follow_radiological_convention(tmp_path: Path) -> None:
    """One bright voxel at the patient's right, front, top, in a file whose axes run left, back and down."""
    data = np.zeros((4, 6, 8), dtype=np.uint8)
    data[0, 0, 0] = 255
    path = tmp_path / "volume.nii.gz"
    nibabel.save(nibabel.Nifti1Image(data, np.diag([-1, -1, -1, 1])), path)
    volume = images.Volume(path)
    axial, coronal, sagittal = (
        np.asarray(volume.slice(plane, index))
        for plane, index in (("axial", 7), ("coronal", 5), ("sagittal", 3))
    )
    assert axial.shape == (6, 4) and axial[0, 0] == 255
    assert coronal.shape == (8, 4) and coronal[0, 0] == 255
    assert sagittal.shape == (8, 6) and sagittal[0, 0] == 255


def test_voxels_that_are_not_cubes_become_square_pixels(tmp_path: Path) -> None:
    path = tmp_path / "thick.nii"
    nibabel.save(nibabel.Nifti1Image(np.zeros((10, 10, 5), dtype=np.uint8), np.diag([1, 1, 3, 1])), path)
    assert images.Volume(path).slice("coronal", 0).size == (10, 15)


def test_a_corrupt_volume_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "bad.nii.gz"
    path.write_bytes(gzip.compress(b"nothing of the kind"))
    with pytest.raises(DataError, match=r"bad\.nii\.gz: cannot be read as NIfTI"):
        images.Volume(path)


def turned(data: np.ndarray, order: tuple[int, ...], signs: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """The same voxels in a file whose axes are those of `order`, run backwards where the sign is -1."""
    affine = np.zeros((4, 4))
    affine[3, 3] = 1
    for axis, (patient, sign) in enumerate(zip(order, signs, strict=True)):
        affine[patient, axis] = sign * (1, 2, 3)[patient]
    flips = tuple(slice(None, None, sign) for sign in signs)
    return data.transpose(order)[flips], affine


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_every_orientation_of_a_file_gives_the_same_slices(tmp_path: Path, suffix: str) -> None:
    data = np.arange(4 * 5 * 6, dtype=np.uint8).reshape(4, 5, 6)
    path = tmp_path / f"volume{suffix}"
    seen: dict[str, set[bytes]] = {plane: set() for plane in PLANES}
    for order, signs in itertools.product(
        itertools.permutations(range(3)), itertools.product((1, -1), repeat=3)
    ):
        nibabel.save(nibabel.Nifti1Image(*turned(data, order, signs)), path)
        volume = images.Volume(path, extent={"axial": (1, 5), "coronal": (0, 4)})
        assert [volume.depth(plane) for plane in PLANES] == [4, 4, 4]
        for plane in PLANES:
            seen[plane].add(volume.slice(plane, 2).tobytes())
    assert {plane: len(found) for plane, found in seen.items()} == dict.fromkeys(PLANES, 1)


def test_a_scaled_volume_of_four_dimensions_is_read_one_frame_at_a_time(tmp_path: Path) -> None:
    data = np.stack([np.full((3, 3, 3), level, dtype=np.int16) for level in (0, 100)], axis=-1)
    image = nibabel.Nifti1Image(data, np.eye(4))
    image.header.set_slope_inter(2, -50)
    path = tmp_path / "series.nii"
    nibabel.save(image, path)
    for frame, brightness in ((0, 64), (1, 191)):
        excerpt = Excerpt(plane="axial", index=0, frame=frame, window=(50.5, 401))
        assert set(np.asarray(images.read(path, excerpt=excerpt)).ravel()) == {brightness}
    with pytest.raises(DataError, match=r"series\.nii: no frame 2; there are 2"):
        images.read(path, excerpt=Excerpt(plane="axial", index=0, frame=2))


def test_a_volume_needs_a_plane(tmp_path: Path) -> None:
    path = tmp_path / "volume.nii"
    nibabel.save(nibabel.Nifti1Image(np.zeros((3, 3, 3), dtype=np.uint8), np.eye(4)), path)
    with pytest.raises(DataError, match=r"volume\.nii: a volume; say which slice: `plane`"):
        images.read(path)


def test_bytes_without_a_telling_name_are_known_by_their_header(tmp_path: Path) -> None:
    data = np.arange(27, dtype=np.uint8).reshape(3, 3, 3)
    for kind, suffix in ((nibabel.Nifti1Image, ".nii.gz"), (nibabel.Nifti2Image, ".nii")):
        path = tmp_path / f"volume{suffix}"
        nibabel.save(kind(data, np.eye(4)), path)
        excerpt = Excerpt(plane="coronal", index=1)
        direct = images.read(path, excerpt=excerpt)
        assert (
            images.read(Path("row 7"), data=path.read_bytes(), excerpt=excerpt).tobytes() == direct.tobytes()
        )


def nrrd(voxels: np.ndarray, *lines: str, encoding: str = "raw") -> bytes:
    kind = {"uint8": "uint8", "int16": "short"}[voxels.dtype.name]
    header = [
        "NRRD0004",
        f"type: {kind}",
        "dimension: 3",
        f"sizes: {' '.join(map(str, voxels.shape))}",
        "endian: little",
        f"encoding: {encoding}",
        *lines,
    ]
    content = voxels.tobytes("F")
    return "\n".join(header).encode() + b"\n\n" + (gzip.compress(content) if encoding == "gzip" else content)


LPS = ("space: left-posterior-superior", "space directions: (1,0,0) (0,2,0) (0,0,3)")


@pytest.mark.parametrize("encoding", ["raw", "gzip"])
def test_nrrd_lies_like_nifti(tmp_path: Path, encoding: str) -> None:
    pytest.importorskip("nrrd")
    data = np.arange(4 * 5 * 6, dtype=np.int16).reshape(4, 5, 6)
    nifti = tmp_path / "volume.nii"
    nibabel.save(nibabel.Nifti1Image(data, np.diag([-1, -2, 3, 1])), nifti)
    for index, plane in enumerate(PLANES):
        excerpt = Excerpt(plane=plane, index=index, window=(60, 120))
        image = images.read(Path("row 7"), data=nrrd(data, *LPS, encoding=encoding), excerpt=excerpt)
        assert image.tobytes() == images.read(nifti, excerpt=excerpt).tobytes()


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ((), "does not say how the axes lie in the patient"),
        ((*LPS, "data file: /etc/passwd"), "header and voxels are in two files; save them as one .nrrd"),
    ],
)
def test_nrrd_without_an_orientation_or_with_its_voxels_elsewhere_is_refused(
    lines: tuple[str, ...], message: str
) -> None:
    pytest.importorskip("nrrd")
    data = nrrd(np.zeros((2, 2, 2), dtype=np.uint8), *lines)
    with pytest.raises(DataError, match=message):
        images.read(Path("row 7"), data=data, excerpt=Excerpt(plane="axial"))


def test_a_missing_nrrd_package_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nrrd", None)
    data = nrrd(np.zeros((2, 2, 2), dtype=np.uint8), *LPS)
    with pytest.raises(
        MissingInput, match=r"row 7: .*needs the package nrrd; pip install 'lingshu-train\[imaging\]'"
    ):
        images.read(Path("row 7"), data=data, excerpt=Excerpt(plane="axial"))


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((10_000, 10_000, 10_000), "the header says 10000x10000 pixels"),
        (
            (1900, 1900, 32_767),
            r"the header says 236,577,740,352 bytes of pixels; 4,294,967,296 are accepted",
        ),
        ((900, 900, 900), r"the header says 1,458,000,352 bytes of pixels, but the file has [\d,]+ in all"),
        ((9, 9, -9), r"cannot be read as NIfTI: int16 voxels of shape \(9, 9, -9\)"),
    ],
)
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_a_nifti_header_that_claims_too_much_is_refused_before_anything_is_allocated(
    tmp_path: Path, shape: tuple[int, int, int], message: str, suffix: str
) -> None:
    header = nibabel.Nifti1Header()
    header.set_data_dtype(np.int16)
    header.set_data_shape((2, 2, 2))
    content = bytearray(header.binaryblock + b"\0" * 100)
    content[40:56] = struct.pack("<8h", 3, *shape, 1, 1, 1, 1)
    content[108:112] = struct.pack("<f", 352)
    content[344:348] = b"n+1\0"
    path = tmp_path / f"bomb{suffix}"
    path.write_bytes(gzip.compress(bytes(content)) if suffix == ".nii.gz" else bytes(content))
    with pytest.raises(DataError, match=rf"bomb\.nii(\.gz)?: {message}"):
        images.Volume(path)


def test_a_gzip_bomb_is_not_inflated_further_than_its_header_says(tmp_path: Path) -> None:
    small = tmp_path / "small.nii"
    nibabel.save(nibabel.Nifti1Image(np.zeros((4, 4, 4), dtype=np.uint8), np.eye(4)), small)
    path = tmp_path / "bomb.nii.gz"
    path.write_bytes(gzip.compress(small.read_bytes() + b"\0" * 200_000_000, compresslevel=1))
    with pytest.raises(DataError, match=r"bomb\.nii\.gz: decompresses to more than the 1,\d+,\d+ bytes"):
        images.Volume(path)


def test_a_volume_cut_off_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cut.nii"
    nibabel.save(nibabel.Nifti1Image(np.zeros((9, 9, 9), dtype=np.uint8), np.eye(4)), path)
    whole = path.read_bytes()
    for name, content in (("cut.nii", whole[:-1]), ("cut.nii.gz", gzip.compress(whole)[:-9])):
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"cut\.nii(\.gz)?: "):
            images.Volume(path).slice("axial", 8)
