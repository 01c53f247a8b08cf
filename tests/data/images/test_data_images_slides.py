"""Boxes of pyramidal TIFF equal the same cut of the whole, and only the tiles under them are decoded."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pictures import noise
from PIL import Image

from lingshu_train.data import images
from lingshu_train.data.images.excerpt import Excerpt
from lingshu_train.errors import DataError

tifffile = pytest.importorskip("tifffile")
SIDE = 64


def jpeg(pixels: np.ndarray, *, ycbcr: bool, stream: int) -> bytes:
    """Without JFIF's or Adobe's segment, channels 1, 2, 3. `stream`: 0 all in one, 1 the tables, 2 without them."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(
        buffer, "JPEG", quality=95, keep_rgb=not ycbcr, subsampling=0, streamtype=stream
    )
    data = buffer.getvalue()
    if data[2:4] in (b"\xff\xe0", b"\xff\xee"):
        data = data[:2] + data[4 + int.from_bytes(data[4:6], "big") :]
    data = data.replace(b"R\x11\0G\x11\0B\x11\0", b"\x01\x11\0\x02\x11\0\x03\x11\0")
    return data.replace(b"\x03R\0G\0B\0", b"\x03\x01\0\x02\0\x03\0")


def encoded_slide(
    path: Path,
    pixels: np.ndarray,
    parts: list[bytes],
    *,
    compression: int,
    photometric: int,
    tables: bytes = b"",
) -> Path:
    """Tiles as scanners write them. tifffile takes such only with imagecodecs, so the tags are set afterwards."""
    with tifffile.TiffWriter(path) as writer:
        writer.write(
            iter(parts),
            shape=pixels.shape,
            dtype=np.uint8,
            tile=(SIDE, SIDE),
            photometric="rgb",
            compression="zlib",
            extratags=[(347, 7, len(tables), tables, True)] if tables else [],
        )
    with tifffile.TiffFile(path, mode="r+b") as tiff:
        tiff.pages[0].tags["Compression"].overwrite(compression)
        tiff.pages[0].tags["PhotometricInterpretation"].overwrite(photometric)
    return path


def cut(pixels: np.ndarray) -> list[np.ndarray]:
    height, width, _ = pixels.shape
    return [pixels[y : y + SIDE, x : x + SIDE] for y in range(0, height, SIDE) for x in range(0, width, SIDE)]


def ramps() -> np.ndarray:
    """Each channel another slope: no channel can be taken for another."""
    y, x = np.mgrid[:128, :192]
    return np.stack([x, y, 255 - x], axis=-1).astype(np.uint8)


def pyramid(path: Path, pixels: np.ndarray, **options: Any) -> Path:
    """Two levels, the second of half the size."""
    with tifffile.TiffWriter(path) as writer:
        writer.write(pixels, subifds=1, tile=(SIDE, SIDE), **options)
        writer.write(pixels[::2, ::2], subfiletype=1, tile=(SIDE, SIDE), **options)
    return path


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("box", [(0, 0, 64, 64), (10, 70, 200, 131), (150, 100, 200, 150), (63, 63, 65, 65)])
def test_a_box_equals_the_same_cut_of_the_whole(tmp_path: Path, compression: str | None, box: Any) -> None:
    pixels = noise(150, 200)
    path = pyramid(tmp_path / "slide.tif", pixels, photometric="rgb", compression=compression)
    left, top, right, bottom = box
    image = images.read(path, excerpt=Excerpt(box=box))
    assert np.array_equal(np.asarray(image), pixels[top:bottom, left:right])


def test_a_coarser_level_is_read_whole_or_in_part(tmp_path: Path) -> None:
    pixels = noise(300, 400)
    path = pyramid(tmp_path / "slide.tif", pixels, photometric="rgb")
    assert np.array_equal(np.asarray(images.read(path, excerpt=Excerpt(level=1))), pixels[::2, ::2])
    part = images.read(Path("row 7"), data=path.read_bytes(), excerpt=Excerpt(level=1, box=(60, 5, 70, 15)))
    assert np.array_equal(np.asarray(part), pixels[::2, ::2][5:15, 60:70])
    with pytest.raises(DataError, match=r"slide\.tif: no level 2; there are 2"):
        images.read(path, excerpt=Excerpt(level=2))
    with pytest.raises(DataError, match=r"slide\.tif: box \(0, 0, 401, 9\) is not inside level 0, 400x300"):
        images.read(path, excerpt=Excerpt(box=(0, 0, 401, 9)))


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("ycbcr", [True, False])
def test_jpeg_tiles_keep_their_colours(tmp_path: Path, ycbcr: bool, shared: bool) -> None:
    """Aperio's scanners write RGB into JPEG, which a decoder that is not told takes for YCbCr."""
    pixels = ramps()
    path = encoded_slide(
        tmp_path / "slide.svs",
        pixels,
        [jpeg(part, ycbcr=ycbcr, stream=2 if shared else 0) for part in cut(pixels)],
        compression=7,
        photometric=6 if ycbcr else 2,
        tables=jpeg(pixels[:SIDE, :SIDE], ycbcr=ycbcr, stream=1) if shared else b"",
    )
    image = np.asarray(images.read(path, excerpt=Excerpt(box=(30, 20, 150, 100)))).astype(int)
    assert np.abs(image - pixels[20:100, 30:150]).max() <= 6


@pytest.mark.parametrize(("compression", "photometric"), [(33003, 6), (33003, 2), (33005, 2)])
def test_aperio_jpeg_2000_tiles_keep_their_colours(
    tmp_path: Path, compression: int, photometric: int
) -> None:
    pixels, parts = ramps(), []
    for part in cut(pixels):
        image, buffer = Image.fromarray(part), io.BytesIO()
        if compression == 33003:
            image = Image.merge("RGB", image.convert("YCbCr").split())
        image.save(buffer, "JPEG2000", no_jp2=True, mct=0, irreversible=False)
        parts.append(buffer.getvalue())
    path = encoded_slide(
        tmp_path / "slide.svs", pixels, parts, compression=compression, photometric=photometric
    )
    image = np.asarray(images.read(path, excerpt=Excerpt(box=(30, 20, 150, 100)))).astype(int)
    assert np.abs(image - pixels[20:100, 30:150]).max() <= (3 if compression == 33003 else 0)


def test_a_tile_is_not_inflated_beyond_its_pixels(tmp_path: Path) -> None:
    pixels = ramps()
    parts = [zlib.compress(b"\0" * 50_000_000)] * 6
    path = encoded_slide(tmp_path / "bomb.svs", pixels, parts, compression=8, photometric=2)
    with pytest.raises(
        DataError, match=r"bomb\.svs: tile 0 inflates to more than the 12,288 bytes of its pixels"
    ):
        images.read(path, excerpt=Excerpt(box=(0, 0, 9, 9)))


def test_only_the_tiles_under_the_box_are_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = pyramid(tmp_path / "slide.tif", noise(640, 640), photometric="rgb", compression="zlib")
    decoded = []
    plain = images.slides._segment
    monkeypatch.setattr(
        images.slides, "_segment", lambda path, page, index: decoded.append(index) or plain(path, page, index)
    )
    images.read(path, excerpt=Excerpt(box=(70, 70, 130, 120)))
    assert decoded == [11, 12]


def test_a_slide_of_16_bits_needs_a_window(tmp_path: Path) -> None:
    pixels = noise(128, 128, 1).astype(np.uint16) * 16
    path = pyramid(tmp_path / "slide.tif", pixels, photometric="minisblack")
    with pytest.raises(DataError, match=r"slide\.tif: 16-bit pixels without a window"):
        images.read(path, excerpt=Excerpt(level=1))
    image = images.decode(path, excerpt=Excerpt(level=1, window=(2048, 4096)))
    assert image.mode == "L" and image.size == (64, 64)


def test_a_slide_too_large_to_open_whole_is_refused_before_decoding(tmp_path: Path) -> None:
    path = tmp_path / "slide.tif"
    with tifffile.TiffWriter(path) as writer:
        empty = (b"" for _ in range(40 * 40))
        writer.write(empty, shape=(10240, 10240), dtype=np.uint8, tile=(256, 256), compression="zlib")
    with pytest.raises(DataError, match=r"slide\.tif: the header says 10240x10240 pixels"):
        images.read(path, excerpt=Excerpt(box=(0, 0, 10240, 10240)))


def test_a_codec_that_is_not_installed_is_named(tmp_path: Path) -> None:
    path = pyramid(tmp_path / "slide.tif", noise(64, 64), photometric="rgb", compression="zlib")
    with tifffile.TiffFile(path, mode="r+b") as tiff:
        tiff.pages[0].tags["Compression"].overwrite(5)
    try:
        import imagecodecs  # noqa: F401
    except ImportError:
        with pytest.raises(DataError, match=r"slide\.tif: cannot be read as a slide: .*imagecodecs"):
            images.read(path, excerpt=Excerpt(box=(0, 0, 9, 9)))


@pytest.mark.parametrize("length", [2**40, 2**62])
def test_a_tile_longer_than_its_file_takes_no_memory(tmp_path: Path, length: int) -> None:
    path = tmp_path / "slide.tif"
    tifffile.imwrite(path, noise(80, 80), tile=(32, 32), photometric="rgb", compression="zlib", bigtiff=True)
    with tifffile.TiffFile(path) as tiff:
        place = tiff.pages[0].tags["TileByteCounts"].offset
    content = path.read_bytes()
    lengths = struct.pack("<HQQ", tifffile.DATATYPE.LONG8, 9, len(content))
    content = content[: place + 2] + lengths + content[place + 20 :] + struct.pack("<9Q", *[length] * 9)
    path.write_bytes(content)
    with pytest.raises(DataError, match=rf"slide\.tif: tile 0 has {length:,} bytes, but the file has"):
        images.read(path, excerpt=Excerpt(box=(0, 0, 40, 40)))
