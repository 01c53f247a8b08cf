"""What is transparent is laid on white, in every kind of file that can say so; what is opaque stays as it is."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from pictures import noise, shown
from PIL import Image

from lingshu_train.data import images
from lingshu_train.data.images.excerpt import Excerpt
from lingshu_train.model import shape

BUDGET = shape.of("qwen2_5_vl").published_budget(min_pixels=784, max_pixels=12544)
DARK, CLEAR = (20, 20, 20), (0, 0, 0)


def file(image: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def half_clear(mode: str) -> Image.Image:
    """A dark pixel beside a black one that is not to be seen."""
    image = Image.new("RGBA", (2, 1), (*DARK, 255))
    image.putpixel((1, 0), (*CLEAR, 0))
    if mode == "P":
        palette = Image.new("P", (2, 1))
        palette.putpalette([*DARK, *CLEAR])
        palette.putdata([0, 1])
        return palette
    return image.convert(mode)


FILES = {
    "RGBA png": file(half_clear("RGBA"), "PNG"),
    "LA png": file(half_clear("LA"), "PNG"),
    "palette png": file(half_clear("P"), "PNG", transparency=1),
    "grey png with a key": file(Image.fromarray(np.array([[20, 0]], np.uint8)), "PNG", transparency=0),
    "colour png with a key": file(half_clear("RGBA").convert("RGB"), "PNG", transparency=CLEAR),
    "one-bit png with a key": file(Image.fromarray(np.array([[True, False]])), "PNG", transparency=0),
    "gif": file(half_clear("P"), "GIF", transparency=1),
    "webp": file(half_clear("RGBA"), "WEBP", lossless=True, exact=True),
    "RGBA tiff": file(half_clear("RGBA"), "TIFF"),
    "LA tiff": file(half_clear("LA"), "TIFF"),
}


@pytest.mark.parametrize("name", FILES)
def test_transparency_is_laid_on_white(name: str) -> None:
    seen, clear = shown(images.read(Path("row 7"), data=FILES[name]))
    assert (seen, clear) == (255 if name.startswith("one-bit") else 20, 255)


@pytest.mark.parametrize("name", FILES)
def test_a_corpus_stores_it_on_white(name: str, tmp_path: Path) -> None:
    """Bytes of a row and a file alike."""
    path = tmp_path / "figure"
    path.write_bytes(FILES[name])
    kept = images.encoded(FILES[name], name="row 7", budget=BUDGET)
    assert kept.data == images.encoded(path, budget=BUDGET).data
    with Image.open(io.BytesIO(kept.data)) as stored:
        assert not stored.has_transparency_data
        assert shown(stored)[1] == 255


@pytest.mark.parametrize(("mode", "colour"), [("LA", (100, 128)), ("RGBA", (100, 100, 100, 128))])
def test_what_is_half_transparent_is_half_way_to_white(mode: str, colour: tuple[int, ...]) -> None:
    assert shown(images.read(Path("row 7"), data=file(Image.new(mode, (1, 1), colour), "PNG"))) == [177]


def test_the_arithmetic_is_that_of_those_who_serve_models() -> None:
    """They paste the picture on white through its alpha."""
    values = np.dstack([noise(40, 30), noise(30, 40, 1).T])
    image = Image.fromarray(values, "RGBA")
    served = Image.new("RGB", image.size, (255, 255, 255))
    served.paste(image, mask=image.split()[3])
    assert images.read(Path("row 7"), data=file(image, "PNG")).tobytes() == served.tobytes()


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_an_opaque_alpha_changes_nothing(mode: str) -> None:
    plain = Image.fromarray(noise(20, 30)).convert("RGB" if mode == "RGBA" else "L")
    opaque = plain.convert(mode)
    first, second = (images.encoded(file(each, "PNG"), budget=BUDGET) for each in (plain, opaque))
    with Image.open(io.BytesIO(first.data)) as one, Image.open(io.BytesIO(second.data)) as other:
        assert one.mode == other.mode == plain.mode
        assert one.tobytes() == other.tobytes() == plain.tobytes()


def test_the_clear_grey_of_a_deep_png_is_white() -> None:
    def chunk(name: bytes, content: bytes) -> bytes:
        check = zlib.crc32(name + content)
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", check)

    pixels = struct.pack(">B3H", 0, 0, 1000, 2000)
    data = b"".join(
        [
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", struct.pack(">IIBBBBB", 3, 1, 16, 0, 0, 0, 0)),
            chunk(b"tRNS", struct.pack(">H", 0)),
            chunk(b"IDAT", zlib.compress(pixels)),
            chunk(b"IEND", b""),
        ]
    )
    excerpt = Excerpt(window=(1000.5, 2001))
    assert shown(images.read(Path("row 7"), data=data, excerpt=excerpt)) == [255, 128, 255]


def test_a_clip_is_laid_on_white_too() -> None:
    frames = [half_clear("RGBA"), half_clear("RGBA").transpose(Image.Transpose.FLIP_LEFT_RIGHT)]
    data = file(frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True, exact=True)
    assert shown(images.read(Path("clip"), data=data)) == [20, 255]
