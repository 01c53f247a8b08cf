"""PNG, JPEG, TIFF and bare arrays: upright, on white, without metadata, or refused in one line."""

from __future__ import annotations

import gzip
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from pictures import noise, shown
from PIL import Image, ImageFile

from lingshu_train.data import images
from lingshu_train.data.images.excerpt import Excerpt
from lingshu_train.errors import DataError


@pytest.mark.parametrize("name", ["deep.png", "deep.tif"])
def test_more_than_8_bits_without_a_window_are_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    Image.fromarray(np.array([[0, 1000, 2000]], dtype=np.uint16)).save(path)
    with pytest.raises(DataError, match=r"deep\.\w+: 16-bit pixels without a window"):
        images.raster(path)
    assert shown(images.raster(path, window=(1000.5, 2001))) == [0, 128, 255]


def test_exif_orientation_is_applied_and_metadata_dropped(tmp_path: Path) -> None:
    path = tmp_path / "turned.jpg"
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "Jane Doe"
    Image.new("RGB", (8, 4), (200, 0, 0)).save(path, exif=exif)
    image = images.raster(path)
    assert image.size == (4, 8)
    assert not image.info and not image.getexif()


@pytest.mark.parametrize("name", ["cut.png", "cut.jpg", "cut.tif"])
def test_a_cut_off_image_names_the_file(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[:600])
    with pytest.raises(DataError, match=r"cut\.\w+: cannot be read as an image"):
        images.raster(path)


def test_grey_stays_one_channel_and_reads_as_three(tmp_path: Path) -> None:
    path = tmp_path / "grey.png"
    Image.fromarray(noise(20, 30, 1)).save(path)
    assert images.decode(path).mode == "L" and images.read(path).mode == "RGB"
    assert images.decode(path).convert("RGB").tobytes() == images.read(path).tobytes()


def png_of_16_bits(colour: bytes, channels: int) -> bytes:
    """A PNG of one pixel with two bytes per channel, which Pillow cannot write. `colour`: PNG's colour type."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        )

    header = chunk(b"IHDR", struct.pack(">IIB", 1, 1, 16) + colour + b"\0\0\0")
    pixels = chunk(b"IDAT", zlib.compress(b"\0" + b"\x12\x34" * channels))
    return b"\x89PNG\r\n\x1a\n" + header + pixels + chunk(b"IEND", b"")


@pytest.mark.parametrize(("colour", "channels"), [(b"\x02", 3), (b"\x04", 2), (b"\x06", 4)])
def test_colour_of_16_bits_is_refused_and_not_cut_to_8(colour: bytes, channels: int) -> None:
    with pytest.raises(DataError, match=r"row 7: colour of 16 bits per channel is not supported, only 8"):
        images.read(Path("row 7"), data=png_of_16_bits(colour, channels))


def test_white_is_zero_in_a_deep_tiff_too(tmp_path: Path) -> None:
    path = tmp_path / "inverted.tif"
    Image.fromarray(np.array([[0, 1000, 2000]], dtype=np.uint16)).save(path, tiffinfo={262: 0})
    with Image.open(path) as image:
        assert image.tag_v2[262] == 0  # type: ignore[attr-defined]
    assert shown(images.raster(path, window=(1000.5, 2001))) == [255, 127, 0]


def test_a_page_is_a_frame_and_one_that_is_not_there_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "pages.tif"
    pages = [Image.new("L", (2, 1), level) for level in (10, 20)]
    pages[0].save(path, save_all=True, append_images=pages[1:])
    assert shown(images.read(path, excerpt=Excerpt(frame=1))) == [20, 20]
    with pytest.raises(DataError, match=r"pages\.tif: no frame 2"):
        images.read(path, excerpt=Excerpt(frame=2))


def test_a_box_is_cut_out_and_must_lie_inside(tmp_path: Path) -> None:
    path = tmp_path / "figure.png"
    Image.fromarray(np.arange(12, dtype=np.uint8).reshape(3, 4)).save(path)
    assert shown(images.read(path, excerpt=Excerpt(box=(1, 1, 3, 3)))) == [5, 6, 9, 10]
    with pytest.raises(DataError, match=r"figure\.png: box \(0, 0, 5, 1\) is not inside the picture, 4x3"):
        images.read(path, excerpt=Excerpt(box=(0, 0, 5, 1)))


@pytest.mark.parametrize(
    ("excerpt", "message"),
    [
        (Excerpt(plane="axial", index=3), "`plane` and `index` are for volumes"),
        (Excerpt(index=3), "`plane` and `index` are for volumes"),
        (Excerpt(level=1), "`level` is for pyramidal TIFF"),
        (Excerpt(frame=1), "no frame 1"),
    ],
)
def test_no_part_of_an_excerpt_is_passed_over(tmp_path: Path, excerpt: Excerpt, message: str) -> None:
    path = tmp_path / "figure.png"
    Image.new("L", (4, 3)).save(path)
    with pytest.raises(DataError, match=message):
        images.read(path, excerpt=excerpt)


def test_the_first_bytes_tell_the_kind_whatever_the_name_says(tmp_path: Path) -> None:
    path = tmp_path / "scan.dcm"
    Image.new("L", (4, 3), 77).save(path, "JPEG")
    assert images.read(path).size == (4, 3)


def test_truncated_files_stay_refused_for_everyone() -> None:
    assert ImageFile.LOAD_TRUNCATED_IMAGES is False


def test_text_is_no_image_and_the_message_is_the_same_each_time(tmp_path: Path) -> None:
    path = tmp_path / "page.jpg"
    path.write_text("<html>not found</html>")
    message = r"page\.jpg: cannot be read as an image: no PNG, JPEG, TIFF, BMP, GIF or WebP begins here$"
    with pytest.raises(DataError, match=message):
        images.read(path)


def test_a_raw_array_is_read_with_its_byte_order(tmp_path: Path) -> None:
    path = tmp_path / "slice.ima.gz"
    path.write_bytes(gzip.compress(np.array([[0, 100], [200, 300]], dtype=">u2").tobytes()))
    image = images.raw(path, shape=(2, 2), dtype=">u2", window=(100.5, 201))
    assert shown(image) == [0, 128, 255, 255]
    with pytest.raises(DataError, match=r"slice\.ima\.gz: cannot be read as \(3, 3\)"):
        images.raw(path, shape=(3, 3), dtype=">u2", window=(100, 200))
