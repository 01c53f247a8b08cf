"""Pixels that are not square are made so, whatever kind of file says it; a header that cannot be true costs one line."""

from __future__ import annotations

import io
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pictures import noise, write_dicom
from PIL import Image

from lingshu_train.data import images
from lingshu_train.data.images.excerpt import Excerpt
from lingshu_train.errors import DataError
from lingshu_train.model import shape

BUDGET = shape.of("qwen2_5_vl").published_budget(min_pixels=784, max_pixels=12544)
WIDE, HIGH = 40, 30


def file(kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(noise(HIGH, WIDE)).save(stream, kind, **options)
    return stream.getvalue()


def exif(across: float, down: float, orientation: int = 1) -> Image.Exif:
    found = Image.Exif()
    found[282], found[283], found[0x0112] = across, down, orientation
    return found


def png_of_units(across: int, down: int) -> bytes:
    """pHYs without a unit states the ratio alone, which Pillow does not write."""
    whole = file("PNG", dpi=(100, 100))
    at = whole.index(b"pHYs")
    chunk = b"pHYs" + across.to_bytes(4, "big") + down.to_bytes(4, "big") + b"\0"
    return whole[:at] + chunk + zlib.crc32(chunk).to_bytes(4, "big") + whole[at + 17 :]


def gif(written: int) -> bytes:
    whole = bytearray(file("GIF"))
    whole[12] = written
    return bytes(whole)


def jpeg_of_ratio(across: int, down: int) -> bytes:
    """JFIF's density without a unit."""
    whole = bytearray(file("JPEG"))
    at = whole.index(b"JFIF\0") + 7
    whole[at : at + 5] = b"\0" + across.to_bytes(2, "big") + down.to_bytes(2, "big")
    return bytes(whole)


# Half as many pixels to the centimetre across: a pixel is twice as wide as high.
TWICE_AS_WIDE = {
    "png": file("PNG", dpi=(100, 200)),
    "png without a unit": png_of_units(1, 2),
    "jpeg": file("JPEG", dpi=(100, 200)),
    "jpeg without a unit": jpeg_of_ratio(1, 2),
    "tiff": file("TIFF", dpi=(100, 200)),
    "bmp": file("BMP", dpi=(100, 200)),
    "gif": gif(2 * 64 - 15),
    "webp": file("WEBP", exif=exif(100, 200)),
    "jpeg of a camera": file("JPEG", exif=exif(100, 200)).replace(b"JFIF", b"JFXX", 1),
}


@pytest.mark.parametrize("name", TWICE_AS_WIDE)
def test_pixels_twice_as_wide_as_high_make_the_picture_twice_as_wide(name: str) -> None:
    data = TWICE_AS_WIDE[name]
    assert images.read(Path(name), data=data).size == (2 * WIDE, HIGH)
    kept = images.encoded(data, budget=BUDGET)
    assert (kept.whole, kept.moved) == ((2 * WIDE, HIGH), True)


@pytest.mark.parametrize(
    ("values", "size"),
    [
        ({"PixelSpacing": [0.6, 0.3]}, (WIDE, 2 * HIGH)),
        ({"PixelSpacing": [0.3, 0.6]}, (2 * WIDE, HIGH)),
        ({"ImagerPixelSpacing": [0.6, 0.3]}, (WIDE, 2 * HIGH)),
        ({"NominalScannedPixelSpacing": [0.3, 0.6]}, (2 * WIDE, HIGH)),
        ({"PixelAspectRatio": [4, 3]}, (WIDE, 4 * HIGH // 3)),
        ({"PixelSpacing": [0.0, 0.0], "PixelAspectRatio": [1, 2]}, (2 * WIDE, HIGH)),
        ({"PixelSpacing": [0.3, 0.3], "PixelAspectRatio": [4, 3]}, (WIDE, HIGH)),
        ({"PixelSpacing": [0.3, 0.301]}, (WIDE, HIGH)),
        ({}, (WIDE, HIGH)),
    ],
)
@pytest.mark.parametrize("channels", [1, 3])
def test_a_dicom_says_it_down_before_across(
    tmp_path: Path, values: dict[str, Any], size: tuple[int, int], channels: int
) -> None:
    pytest.importorskip("pydicom")
    path = write_dicom(tmp_path / "film.dcm", noise(HIGH, WIDE, channels), Modality="DX", **values)
    assert images.read(path).size == size


def test_frames_of_an_enhanced_object_say_it_for_themselves(tmp_path: Path) -> None:
    pydicom = pytest.importorskip("pydicom")

    def measures(spacing: list[float]) -> Any:
        inner, outer = pydicom.Dataset(), pydicom.Dataset()
        inner.PixelSpacing = spacing
        outer.PixelMeasuresSequence = [inner]
        return outer

    frames = np.stack([noise(HIGH, WIDE, 1)] * 2)
    per_frame = [measures([0.5, 0.5]), measures([0.5, 1.0])]
    path = write_dicom(tmp_path / "enhanced.dcm", frames, PerFrameFunctionalGroupsSequence=per_frame)
    found = [images.read(path, excerpt=Excerpt(frame=frame)).size for frame in (0, 1)]
    assert found == [(WIDE, HIGH), (2 * WIDE, HIGH)]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_a_picture_on_its_side_is_stretched_along_its_stored_axis(kind: str, orientation: int) -> None:
    options = {"exif": exif(100, 200, orientation)}
    if kind == "JPEG":
        options["dpi"] = (100, 200)
    found = images.read(Path("turned"), data=file(kind, **options))
    assert found.size == ((2 * WIDE, HIGH) if orientation < 5 else (HIGH, 2 * WIDE))


@pytest.mark.parametrize("dpi", [(96, 96), (300, 302), (0, 0), (0, 300)])
def test_what_is_square_or_not_stated_stays_as_it_is(dpi: tuple[int, int]) -> None:
    data = file("PNG", dpi=dpi)
    assert images.read(Path("figure"), data=data).tobytes() == noise(HIGH, WIDE).tobytes()
    kept = images.encoded(data, budget=BUDGET)
    assert (kept.width, kept.height, kept.moved) == (WIDE, HIGH, False)


def test_a_jpeg_of_square_pixels_keeps_its_compressed_data() -> None:
    assert images.encoded(file("JPEG", dpi=(72, 72)), budget=BUDGET).suffix == ".jpg"
    assert images.encoded(file("JPEG", dpi=(72, 144)), budget=BUDGET).suffix == ".png"


@pytest.mark.parametrize(("across", "down"), [(1, 300), (65535, 1)])
def test_a_ratio_that_cannot_be_is_refused_in_one_line(across: int, down: int) -> None:
    for data in (jpeg_of_ratio(across, down), png_of_units(across, down)):
        for look in (images.read, lambda path, data: images.encoded(data, name=str(path), budget=BUDGET)):
            with pytest.raises(DataError, match=r"^row 7: the header says that pixels are .* above 10 it is"):
                look(Path("row 7"), data=data)


def test_a_box_is_cut_in_the_pixels_of_the_file() -> None:
    data = TWICE_AS_WIDE["png"]
    assert images.read(Path("row 7"), data=data, excerpt=Excerpt(box=(30, 0, 40, 30))).size == (20, 30)
    with pytest.raises(DataError, match="is not inside the picture, 40x30"):
        images.read(Path("row 7"), data=data, excerpt=Excerpt(box=(30, 0, 50, 30)))


def test_stretching_is_no_way_to_more_pixels_than_are_accepted(tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    Image.new("1", (16_000, 1_000)).save(path, dpi=(100, 900))
    with pytest.raises(DataError, match=r"large\.png: the header says 144000x1000 pixels"):
        images.read(path)


def test_a_level_of_a_slide_says_it_for_itself_or_the_finest_does(tmp_path: Path) -> None:
    tifffile = pytest.importorskip("tifffile")
    path = tmp_path / "slide.tif"
    with tifffile.TiffWriter(path) as tiff:
        options = {"tile": (16, 16), "photometric": "rgb"}
        tiff.write(noise(64, 96), subifds=2, resolution=(100, 200), resolutionunit="CENTIMETER", **options)
        tiff.write(noise(32, 48), subfiletype=1, resolution=(50, 100), resolutionunit="CENTIMETER", **options)
        tiff.write(noise(16, 24), subfiletype=1, **options)
    for level in (0, 1):
        found = images.read(path, excerpt=Excerpt(box=(0, 0, 16, 16), level=level))
        assert found.size == (32, 16), level
    assert images.tile(path, box=(0, 0, 16, 16)).size == (16, 16)


def test_a_volume_follows_the_same_rule(tmp_path: Path) -> None:
    nibabel = pytest.importorskip("nibabel")
    path = tmp_path / "scan.nii"
    voxels = np.arange(4 * 5 * 6, dtype=np.uint8).reshape(4, 5, 6)
    for steps, size in (((1, 1, 1), (4, 6)), ((1, 1, 1.005), (4, 6)), ((1, 1, 3), (4, 18))):
        nibabel.save(nibabel.Nifti1Image(voxels, np.diag([*steps, 1.0])), path)
        assert images.read(path, excerpt=Excerpt(plane="coronal", index=1)).size == size
