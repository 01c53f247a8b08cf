"""What a corpus stores: equal pixels, no metadata, no more of them than the processor would keep."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pictures import noise, write_dicom
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from lingshu_train.data import images
from lingshu_train.data.images.excerpt import Excerpt
from lingshu_train.errors import DataError
from lingshu_train.model import shape

BUDGET = {"budget": shape.of("qwen2_5_vl").published_budget(max_pixels=200_704)}
SECRETS = (b"Mustermann", b"19610401", b"GPS", b"Exif", b"52.5200", b"Praxis Dr. Jones")


def jpeg(picture: np.ndarray, **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", **options)
    return buffer.getvalue()


def exif(orientation: int = 1) -> Image.Exif:
    tags = Image.Exif()
    tags[0x0112], tags[0x010E], tags[0x0132] = orientation, "Mustermann, Erika", "1961:04:01 10:00:00"
    tags.get_ifd(0x8825)[2] = (52.5200, 13.0, 24.0)
    return tags


def pixels_of(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image)


@pytest.mark.parametrize(
    "options",
    [
        {"quality": 90},
        {"quality": 95, "subsampling": 0, "progressive": True},
        {"quality": 80, "restart_marker_blocks": 3},
        {"quality": 90, "keep_rgb": True},
        {"quality": 90, "optimize": True, "icc_profile": b"profile of Praxis Dr. Jones" * 5000},
    ],
)
@pytest.mark.parametrize("channels", [1, 3])
def test_a_jpeg_keeps_its_compressed_data_and_loses_its_metadata(
    options: dict[str, Any], channels: int
) -> None:
    data = jpeg(noise(100, 150, channels), exif=exif(), comment=b"Praxis Dr. Jones", **options)
    kept = images.encoded(data, **BUDGET)
    assert kept[1:4] == (".jpg", 150, 100)
    assert np.array_equal(pixels_of(kept.data), pixels_of(data))
    assert len(kept.data) < len(data) and not any(secret in kept.data for secret in SECRETS)
    scan = data[data.rindex(b"\xff\xda") :]
    assert kept.data.endswith(scan)


def test_the_thumbnail_in_a_jpeg_and_what_follows_its_end_are_left_out() -> None:
    plain = jpeg(noise(40, 40))
    assert plain[2:4] == b"\xff\xe0"
    thumbnail = b"\xff\xe0" + (16 + 3 * 4).to_bytes(2, "big") + plain[6:18] + b"\x02\x02" + b"Mustermann!!"
    data = plain[:2] + thumbnail + plain[20:] + b"Mustermann"
    assert images.encoded(data, **BUDGET).data == plain
    extension = b"\xff\xe0\x00\x12JFXX\0\x10Mustermann"
    assert images.encoded(plain[:20] + extension + plain[20:], **BUDGET).data == plain


@pytest.mark.parametrize("orientation", [3, 6])
def test_a_turned_jpeg_is_decoded_upright(orientation: int) -> None:
    picture = noise(20, 40)
    kept = images.encoded(jpeg(picture, exif=exif(orientation)), **BUDGET)
    assert kept[1:4] == (".png", *((20, 40) if orientation == 6 else (40, 20)))
    plain = images.read(Path("row 7"), data=jpeg(picture, exif=exif(orientation)))
    assert np.array_equal(pixels_of(kept.data), np.asarray(plain))


def test_a_jpeg_of_four_channels_becomes_rgb() -> None:
    buffer = io.BytesIO()
    Image.fromarray(noise(20, 20)).convert("CMYK").save(buffer, "JPEG")
    kept = images.encoded(buffer.getvalue(), **BUDGET)
    assert kept.suffix == ".png" and pixels_of(kept.data).shape == (20, 20, 3)


def test_a_jpeg_larger_than_the_budget_stays_as_it_is() -> None:
    data = jpeg(noise(600, 700))
    assert images.encoded(data, **BUDGET)[:4] == (data, ".jpg", 700, 600)


@pytest.mark.parametrize("cut", [1, 2, 3, 100, 2000])
def test_a_jpeg_cut_off_anywhere_is_refused(cut: int) -> None:
    data = jpeg(noise(128, 128))
    with pytest.raises(DataError, match=r"row 7: cannot be read as an image: "):
        images.encoded(data[:-cut], name="row 7", **BUDGET)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(600, 700), (90, 4000), (300, 300), (449, 449)])
def test_what_is_stored_of_a_png_gives_the_model_equal_values(size: tuple[int, int], channels: int) -> None:
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

    processor = Qwen2VLImageProcessorPil(size={"shortest_edge": 3136, "longest_edge": 200_704})
    original = Image.fromarray(noise(*size, channels))
    kept = images.encoded(original, **BUDGET)
    assert kept.width * kept.height <= 200_704
    before = processor(original.convert("RGB"), return_tensors="pt")
    after = processor(Image.fromarray(pixels_of(kept.data)), return_tensors="pt")
    assert torch.equal(before["pixel_values"], after["pixel_values"])
    tokens = [BUDGET["budget"].tokens(*of) for of in (original.size, (kept.width, kept.height))]
    assert tokens[0] == tokens[1] == len(after["pixel_values"]) // 4


def test_grey_in_three_channels_is_stored_as_one() -> None:
    grey = noise(50, 60, 1)
    buffer = io.BytesIO()
    Image.fromarray(np.stack([grey] * 3, axis=-1)).save(buffer, "PNG")
    for source in (Image.fromarray(np.stack([grey] * 3, axis=-1)), buffer.getvalue()):
        assert np.array_equal(pixels_of(images.encoded(source, **BUDGET).data), grey)
    almost = np.stack([grey] * 3, axis=-1)
    almost[49, 59, 2] ^= 1
    assert np.array_equal(pixels_of(images.encoded(Image.fromarray(almost), **BUDGET).data), almost)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_png_within_the_budget_keeps_its_compressed_data(channels: int) -> None:
    picture = noise(50, 60, channels)
    buffer = io.BytesIO()
    Image.fromarray(picture).save(
        buffer, "PNG", compress_level=9, dpi=(300, 300), icc_profile=b"Praxis Dr. Jones"
    )
    kept = images.encoded(buffer.getvalue() + b"Mustermann", **BUDGET)
    plain = io.BytesIO()
    Image.fromarray(picture).save(plain, "PNG", compress_level=9)
    assert kept[:4] == (plain.getvalue(), ".png", 60, 50)


@pytest.mark.parametrize("mode", ["1", "P", "LA", "RGBA", "transparent"])
def test_a_png_that_is_not_plain_is_stored_as_it_is_shown(mode: str) -> None:
    image = Image.fromarray(noise(50, 60))
    buffer = io.BytesIO()
    if mode == "transparent":
        image.save(buffer, "PNG", transparency=image.getpixel((3, 3)))
    else:
        image.convert(mode).save(buffer, "PNG")
    kept = images.encoded(buffer.getvalue(), **BUDGET)
    shown = images.read(Path("row 7"), data=buffer.getvalue())
    with Image.open(io.BytesIO(kept.data)) as stored:
        assert stored.mode in ("L", "RGB") and "transparency" not in stored.info
        assert stored.convert("RGB").tobytes() == shown.tobytes()


def test_a_picture_in_a_file_is_stored_like_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "some.tif"
    Image.fromarray(noise(50, 60)).save(path)
    from_file, from_bytes = images.encoded(path, **BUDGET), images.encoded(path.read_bytes(), **BUDGET)
    assert from_file == from_bytes == images.encoded(Image.fromarray(noise(50, 60)), **BUDGET)


def test_names_dates_and_places_do_not_reach_the_corpus(tmp_path: Path) -> None:
    png, tiff = tmp_path / "some.png", tmp_path / "some.tif"
    text = PngInfo()
    text.add_text("Patient", "Mustermann, Erika")
    text.add_itxt("Born", "19610401")
    Image.fromarray(noise(30, 30)).save(png, pnginfo=text, exif=exif(), icc_profile=b"Praxis Dr. Jones")
    Image.fromarray(noise(30, 30)).save(tiff, tiffinfo={270: "Mustermann, Erika", 306: "19610401"})
    files = {png: None, tiff: None}
    if pytest.importorskip("pydicom"):
        identified = {"PatientName": "Mustermann^Erika", "PatientBirthDate": "19610401"}
        dicom = write_dicom(
            tmp_path / "some.dcm", noise(30, 30), InstitutionName="Praxis Dr. Jones", **identified
        )
        files[dicom] = Excerpt()
    for path, excerpt in files.items():
        assert any(secret in path.read_bytes() for secret in SECRETS)
        kept = images.encoded(path, excerpt=excerpt, **BUDGET)
        assert not any(secret in kept.data for secret in SECRETS)
        assert kept.data.count(b"IDAT") == 1 and len(kept.data) < 30 * 30 * 3 + 200


def test_what_a_picture_in_memory_carries_is_left_behind() -> None:
    image = Image.fromarray(noise(30, 30))
    image.info |= {"icc_profile": b"Praxis Dr. Jones", "dpi": (1, 1), "exif": b"Exif\0\0Mustermann"}
    assert images.encoded(image, **BUDGET) == images.encoded(Image.fromarray(noise(30, 30)), **BUDGET)


def test_a_deep_picture_in_memory_is_refused_and_not_clipped() -> None:
    image = Image.fromarray(np.array([[0, 40_000]], dtype=np.uint16))
    with pytest.raises(
        DataError, match=r"row 7: more than 8 bits \(mode I;16\); read it with a window first"
    ):
        images.encoded(image, name="row 7", **BUDGET)
