"""CT windows by name, for CT alone."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from pictures import shown, write_dicom
from PIL import Image

from lingshu_train.data import images
from lingshu_train.data.cards import card as cards
from lingshu_train.data.images.excerpt import Excerpt
from lingshu_train.data.quickstart import package_images
from lingshu_train.errors import DataError

pydicom = pytest.importorskip("pydicom")
nibabel = pytest.importorskip("nibabel")

HOUNSFIELD = {"Modality": "CT", "RescaleSlope": 1, "RescaleIntercept": -1024}
NAMES = ["abdomen", "bone", "brain", "liver", "lung", "mediastinum", "stroke", "subdural"]


def ct(path: Path, hounsfield: list[int], **values: Any) -> Path:
    stored = np.array([hounsfield], dtype=np.int16) + 1024
    return write_dicom(path, stored, **(HOUNSFIELD | values))


def test_a_preset_is_its_centre_and_width(tmp_path: Path) -> None:
    path = ct(tmp_path / "head.dcm", [-1000, 0, 20, 40, 60, 80, 1000])
    assert images.dicom(path, window="brain")[0].tobytes() == images.dicom(path, window=(40, 80))[0].tobytes()


def test_three_windows_become_three_channels(tmp_path: Path) -> None:
    path = ct(tmp_path / "body.dcm", [-1024, -135, 0, 40, 80, 215, 1024])
    image = images.read(path, excerpt=Excerpt(window="ct_rgb"))
    assert image.mode == "RGB"
    for channel, (low, high) in enumerate([(-1024, 1024), (-135, 215), (0, 80)]):
        values = np.clip(np.array([-1024, -135, 0, 40, 80, 215, 1024]), low, high)
        expected = np.rint((values - low) / (high - low) * 255).astype(int).tolist()
        assert np.asarray(image)[0, :, channel].tolist() == expected


def test_an_unknown_preset_lists_what_there_is(tmp_path: Path) -> None:
    path = ct(tmp_path / "head.dcm", [0, 40])
    with pytest.raises(
        DataError, match=rf"head\.dcm: no window 'skull'; there are {', '.join(NAMES)}, ct_rgb, full, spread$"
    ):
        images.dicom(path, window="skull")


def test_a_preset_is_refused_on_what_is_not_ct(tmp_path: Path) -> None:
    path = ct(tmp_path / "head.dcm", [0, 40], Modality="MR")
    with pytest.raises(DataError, match=r"head\.dcm: window 'brain' is for CT, and this is MR; give"):
        images.dicom(path, window="brain")
    path = write_dicom(tmp_path / "raw.dcm", np.zeros((1, 2), dtype=np.int16), Modality="CT")
    with pytest.raises(
        DataError, match=r"raw\.dcm: window 'brain' needs Hounsfield units, and the header has no"
    ):
        images.dicom(path, window="brain")


def test_a_file_without_a_modality_must_hold_hounsfield_units(tmp_path: Path) -> None:
    path = tmp_path / "volume.nii"
    voxels = np.full((4, 4, 4), 40, dtype=np.int16)
    nibabel.save(nibabel.Nifti1Image(voxels, np.eye(4)), path)
    with pytest.raises(
        DataError, match=r"volume\.nii: window 'brain' is for CT in Hounsfield units, but the lowest"
    ):
        images.read(path, excerpt=Excerpt(plane="axial", index=1, window="brain"))
    voxels[0] = -1000
    nibabel.save(nibabel.Nifti1Image(voxels, np.eye(4)), path)
    image = images.read(path, excerpt=Excerpt(plane="axial", index=1, window="brain"))
    assert set(shown(image)) == {0, 129}


def test_a_grey_picture_of_8_bits_can_be_windowed_and_a_coloured_one_cannot(tmp_path: Path) -> None:
    grey, colour = tmp_path / "grey.png", tmp_path / "colour.png"
    Image.fromarray(np.array([[0, 100, 200]], dtype=np.uint8)).save(grey)
    Image.new("RGB", (2, 2), (9, 8, 7)).save(colour)
    assert shown(images.raster(grey, window=(100.5, 101))) == [0, 128, 255]
    with pytest.raises(
        DataError, match=r"colour\.png: a window is for grey values, and this picture is in colour"
    ):
        images.raster(colour, window=(100, 100))


def test_a_card_may_name_a_preset_for_ct_alone() -> None:
    item = {"path": "a.dcm", "sha256": "0", "group": "g", "split": "train", "window": "lung"}
    card: Any = SimpleNamespace(
        name="made_up",
        where="made_up.md",
        lingshu=SimpleNamespace(fields={"pictures": [item | {"modality": "ct"}]}),
    )
    assert package_images.fields(card).pictures[0].window == "lung"
    card.lingshu.fields = {"pictures": [item | {"modality": "mri"}]}
    with pytest.raises(DataError, match=r"made_up\.md: a\.dcm: window 'lung' is for CT, and this is mri"):
        package_images.fields(card)
    assert cards.names()
