"""Medical pixels are shown as a reader would see them, or refused with a line that names the file."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lingshu_train.data import images
from lingshu_train.errors import DataError, MissingInput

pydicom = pytest.importorskip("pydicom")
nibabel = pytest.importorskip("nibabel")


def write_dicom(path: Path, pixels: np.ndarray, **values: Any) -> Path:
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = CTImageStorage, generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset(path, {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID, dataset.SOPInstanceUID = (
        meta.MediaStorageSOPClassUID,
        meta.MediaStorageSOPInstanceUID,
    )
    dataset.Rows, dataset.Columns = pixels.shape[-2:]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    bits = pixels.dtype.itemsize * 8
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = bits, bits, bits - 1
    dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
    if pixels.ndim == 3:
        dataset.NumberOfFrames = len(pixels)
    for name, value in values.items():
        setattr(dataset, name, value)
    dataset.PixelData = pixels.tobytes()
    dataset.save_as(path)
    return path


def shown(image: Image.Image) -> list[int]:
    return np.asarray(image.convert("RGB"))[..., 0].ravel().tolist()


def test_a_ct_window_is_applied_in_hounsfield_units(tmp_path: Path) -> None:
    stored = np.array([[0, 984, 1064, 1144, 3000, 1064]], dtype=np.int16)
    path = write_dicom(tmp_path / "ct.dcm", stored, RescaleSlope=1, RescaleIntercept=-1024)
    assert shown(images.dicom(path, window=(40, 161))[0]) == [0, 1, 128, 255, 255, 128]


def test_the_window_of_the_header_is_used_where_the_card_gives_none(tmp_path: Path) -> None:
    stored = np.array([[0, 100, 200, 300]], dtype=np.uint16)
    path = write_dicom(tmp_path / "mr.dcm", stored, WindowCenter=[100.5, 5], WindowWidth=[201, 9])
    assert shown(images.dicom(path)[0]) == [0, 128, 255, 255]


def test_monochrome1_is_inverted(tmp_path: Path) -> None:
    stored = np.array([[0, 255]], dtype=np.uint8)
    path = write_dicom(tmp_path / "cr.dcm", stored, PhotometricInterpretation="MONOCHROME1")
    assert shown(images.dicom(path)[0]) == [255, 0]


def test_only_the_frames_asked_for_are_given(tmp_path: Path) -> None:
    stored = np.stack([np.full((2, 2), level, dtype=np.uint8) for level in (10, 20, 30)])
    path = write_dicom(tmp_path / "clip.dcm", stored)
    assert [shown(image)[0] for image in images.dicom(path, frames=(2, 0))] == [30, 10]
    with pytest.raises(DataError, match=r"clip\.dcm: no frame 3; there are 3"):
        images.dicom(path, frames=(3,))


def test_an_axial_slice_stored_upside_down_is_turned(tmp_path: Path) -> None:
    stored = np.array([[1], [2]], dtype=np.uint8)
    path = write_dicom(tmp_path / "flipped.dcm", stored, ImageOrientationPatient=[1, 0, 0, 0, -1, 0])
    assert shown(images.dicom(path)[0]) == [2, 1]


def test_palette_colour_becomes_rgb() -> None:
    package = pytest.importorskip("data_store")
    path = Path(str(package.__file__)).parent / "data/gdcm-US-ALOKA-16.dcm"
    image = images.dicom(path)[0]
    assert image.mode == "RGB" and image.size == (640, 480)


@pytest.mark.parametrize("name", ["deep.png", "deep.tif"])
def test_more_than_8_bits_without_a_window_are_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    Image.fromarray(np.array([[0, 1000, 2000]], dtype=np.uint16)).save(path)
    with pytest.raises(DataError, match=r"deep\.\w+: 16-bit pixels without a window"):
        images.raster(path)
    assert shown(images.raster(path, window=(1000.5, 2001))) == [0, 128, 255]


def test_16_bit_dicom_without_a_window_is_refused(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "deep.dcm", np.zeros((2, 2), dtype=np.uint16))
    with pytest.raises(DataError, match=r"deep\.dcm: 16-bit pixels without a window"):
        images.dicom(path)


def test_exif_orientation_is_applied_and_metadata_dropped(tmp_path: Path) -> None:
    path = tmp_path / "turned.jpg"
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "Jane Doe"
    Image.new("RGB", (8, 4), (200, 0, 0)).save(path, exif=exif)
    image = images.raster(path)
    assert image.size == (4, 8)
    assert not image.info and not image.getexif()


def test_transparency_is_laid_on_black(tmp_path: Path) -> None:
    path = tmp_path / "clear.png"
    Image.new("RGBA", (2, 2), (255, 255, 255, 0)).save(path)
    assert shown(images.raster(path)) == [0, 0, 0, 0]


@pytest.mark.parametrize("name", ["cut.png", "cut.jpg", "cut.tif"])
def test_a_cut_off_image_names_the_file(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[:600])
    with pytest.raises(DataError, match=r"cut\.\w+: cannot be read as an image"):
        images.raster(path)


def test_a_cut_off_dicom_names_the_file(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "cut.dcm", np.zeros((64, 64), dtype=np.uint8))
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(
        DataError, match=r"cut\.dcm: the header says 4,096 bytes of pixels, but the file has 2,570"
    ):
        images.dicom(path)
    path.write_text("not DICOM")
    with pytest.raises(DataError, match=r"cut\.dcm: cannot be read as DICOM"):
        images.dicom(path)


def test_a_header_that_claims_too_many_pixels_is_refused_before_decoding(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "bomb.dcm", np.zeros((2, 2), dtype=np.uint8), Rows=60000, Columns=60000)
    with pytest.raises(DataError, match=r"bomb\.dcm: the header says 60000x60000 pixels"):
        images.dicom(path)


def test_a_missing_file_is_missing_input(tmp_path: Path) -> None:
    for read in (images.raster, images.dicom, images.Volume):
        with pytest.raises(MissingInput, match="no such file"):
            read(tmp_path / "absent.dcm")  # type: ignore[operator]


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


def test_a_raw_array_is_read_with_its_byte_order(tmp_path: Path) -> None:
    path = tmp_path / "slice.ima.gz"
    path.write_bytes(gzip.compress(np.array([[0, 100], [200, 300]], dtype=">u2").tobytes()))
    image = images.raw(path, shape=(2, 2), dtype=">u2", window=(100.5, 201))
    assert shown(image) == [0, 128, 255, 255]
    with pytest.raises(DataError, match=r"slice\.ima\.gz: cannot be read as \(3, 3\)"):
        images.raw(path, shape=(3, 3), dtype=">u2", window=(100, 200))
