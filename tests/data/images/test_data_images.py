"""DICOM is shown as a reader would see it, or refused with a line that names the file."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from pictures import lookup, shown, write_dicom

from lingshu_train.data import images
from lingshu_train.errors import DataError, MissingInput

pydicom = pytest.importorskip("pydicom")
from pydicom.data import get_testdata_file  # noqa: E402


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


def test_a_palette_is_read_with_the_byte_order_of_its_file() -> None:
    """pydicom 3.0.2 takes a big-endian palette for little-endian, and the picture comes out black."""
    package = pytest.importorskip("data_store")
    folder = Path(str(package.__file__)).parent / "data"
    little, big = (images.dicom(folder / name)[0] for name in ("OBXXXX1A.dcm", "OBXXXX1A_expb.dcm"))
    assert little.tobytes() == big.tobytes() and little.getextrema()[0][1] > 200


def test_16_bit_dicom_without_a_window_is_refused(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "deep.dcm", np.zeros((2, 2), dtype=np.uint16))
    with pytest.raises(DataError, match=r"deep\.dcm: 16-bit pixels without a window"):
        images.dicom(path)


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


def test_a_window_function_of_the_header_is_followed(tmp_path: Path) -> None:
    stored = np.array([[0, 100, 200]], dtype=np.uint16)
    window = {"WindowCenter": 100, "WindowWidth": 100}
    exact = write_dicom(tmp_path / "exact.dcm", stored, VOILUTFunction="LINEAR_EXACT", **window)
    curved = write_dicom(tmp_path / "curved.dcm", stored, VOILUTFunction="SIGMOID", **window)
    assert shown(images.dicom(exact)[0]) == [0, 128, 255]
    assert shown(images.dicom(curved)[0]) == [
        round(255 / (1 + math.exp(4))),
        128,
        round(255 / (1 + math.exp(-4))),
    ]


def test_lookup_tables_stand_before_and_instead_of_the_window(tmp_path: Path) -> None:
    stored = np.array([[0, 1, 2, 3, 9]], dtype=np.uint16)
    modality = write_dicom(
        tmp_path / "modality.dcm", stored, ModalityLUTSequence=[lookup(1, [0, 500, 1000], 16)], BitsStored=12
    )
    assert shown(images.dicom(modality, window=(500.5, 1001))[0]) == [0, 0, 128, 255, 255]
    voi = write_dicom(
        tmp_path / "voi.dcm",
        stored,
        VOILUTSequence=[lookup(1, [0, 2048, 4095], 12)],
        WindowCenter=1,
        WindowWidth=2,
    )
    assert shown(images.dicom(voi)[0]) == [0, 0, 128, 255, 255]


def test_padding_is_black_whichever_way_brightness_runs(tmp_path: Path) -> None:
    stored = np.array([[7, 100, 150, 8]], dtype=np.uint16)
    dark = {"PixelPaddingValue": 7, "PixelPaddingRangeLimit": 8, "PhotometricInterpretation": "MONOCHROME1"}
    path = write_dicom(tmp_path / "padded.dcm", stored, **dark)
    assert shown(images.dicom(path, window=(125.5, 51))[0]) == [0, 255, 0, 0]
    assert shown(images.dicom(path, window=(100.5, 201))[0]) == [0, 127, 64, 0]


def test_eight_bits_that_rescale_to_more_are_refused_and_never_wrap(tmp_path: Path) -> None:
    stored = np.array([[0, 100, 200]], dtype=np.uint8)
    path = write_dicom(tmp_path / "pet.dcm", stored, RescaleSlope=2, RescaleIntercept=0)
    with pytest.raises(DataError, match=r"pet\.dcm: values from 0 to 400 do not fit 8 bits; give `window:"):
        images.dicom(path)


def test_a_mask_of_one_bit_is_black_and_white() -> None:
    package = pytest.importorskip("data_store")
    image = images.dicom(Path(str(package.__file__)).parent / "data/liver.dcm")[0]
    assert set(np.unique(np.asarray(image))) == {0, 255}


def test_planar_colour_is_the_same_picture() -> None:
    package = pytest.importorskip("data_store")
    folder = Path(str(package.__file__)).parent / "data"
    pixel, plane = (images.dicom(folder / name)[0] for name in ("color-px.dcm", "color-pl.dcm"))
    assert pixel.mode == "RGB" and pixel.tobytes() == plane.tobytes()


def test_colour_of_16_bits_is_refused(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "deep.dcm", np.zeros((2, 2, 3), dtype=np.uint16))
    with pytest.raises(DataError, match=r"deep\.dcm: colour of 16 bits per channel is not supported, only 8"):
        images.dicom(path)


@pytest.mark.parametrize(
    ("name", "same"),
    [
        ("MR_small_RLE.dcm", "MR_small.dcm"),
        ("MR_small_jp2klossless.dcm", "MR_small.dcm"),
        ("MR_small_jpeg_ls_lossless.dcm", "MR_small.dcm"),
        ("MR_small_bigendian.dcm", "MR_small.dcm"),
        ("MR_small_implicit.dcm", "MR_small.dcm"),
        ("SC_rgb_rle.dcm", "SC_rgb_jpeg_gdcm.dcm"),
    ],
)
def test_compressed_transfer_syntaxes_give_the_same_picture(name: str, same: str) -> None:
    pytest.importorskip("gdcm")
    compressed, plain = (images.dicom(Path(str(get_testdata_file(file))))[0] for file in (name, same))
    assert compressed.tobytes() == plain.tobytes()


def test_ybr_becomes_rgb() -> None:
    """The file is a chart whose first band is pure red, kept as luminance and colour differences."""
    image = images.dicom(Path(str(get_testdata_file("SC_rgb_dcmtk_+eb+cy+np.dcm"))))[0]
    red, green, blue = image.getpixel((50, 5))
    assert red > 250 and green < 5 and blue < 5


def test_a_missing_decoder_names_the_package(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "ht.dcm", np.zeros((8, 8), dtype=np.uint8))
    dataset = pydicom.dcmread(path)
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.HTJ2KLossless
    dataset.PixelData = pydicom.encaps.encapsulate([b"0" * 64])
    dataset.save_as(path)
    if pydicom.pixels.get_decoder(pydicom.uid.HTJ2KLossless).is_available:
        pytest.skip("a decoder of high-throughput JPEG 2000 is installed")
    with pytest.raises(
        MissingInput, match=r"ht\.dcm: no installed package decodes High-.*pylibjpeg-openjpeg"
    ):
        images.dicom(path)


def test_a_long_file_is_read_frame_by_frame_with_the_same_result(monkeypatch: pytest.MonkeyPatch) -> None:
    path = Path(str(get_testdata_file("examples_ybr_color.dcm")))
    whole = images.dicom(path, frames=(29, 3))
    monkeypatch.setattr("lingshu_train.data.images.dicoms.AT_ONCE", 0)
    assert [image.tobytes() for image in images.dicom(path, frames=(29, 3))] == [
        image.tobytes() for image in whole
    ]


def test_bytes_are_read_like_a_file(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "some.dcm", np.array([[1, 2]], dtype=np.uint8))
    assert shown(images.read(Path("row 7"), data=path.read_bytes())) == [1, 2]
