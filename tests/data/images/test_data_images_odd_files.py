"""Odd pictures as they occur: each is read right, or is one line; none is something else in silence."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pictures import noise
from PIL import Image, ImageCms

from lingshu_train.data import images
from lingshu_train.data.images.excerpt import Excerpt
from lingshu_train.errors import DataError
from lingshu_train.model import shape

BUDGET = shape.of("qwen2_5_vl").published_budget(min_pixels=784, max_pixels=12544)
NAME = Path("row 7")


def file(image: Image.Image, kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def stored(data: bytes, **options: Any) -> Image.Image:
    """What a corpus keeps, decoded."""
    kept = images.encoded(data, name="row 7", budget=BUDGET, **options)
    return Image.open(io.BytesIO(kept.data)).convert("RGB")


def patches(*colours: tuple[int, int, int]) -> Image.Image:
    """Fields of one colour, large enough that a lossy codec keeps them."""
    image = Image.new("RGB", (32 * len(colours), 32))
    for number, colour in enumerate(colours):
        image.paste(colour, (32 * number, 0, 32 * number + 32, 32))
    return image


def colours(image: Image.Image, count: int) -> list[tuple[int, ...]]:
    return [image.getpixel((32 * number + 16, 16)) for number in range(count)]  # type: ignore[misc]


def alike(found: list[tuple[int, ...]], wanted: list[tuple[int, ...]]) -> bool:
    return bool(np.abs(np.array(found) - np.array(wanted)).max() <= 6)


RED, GREY, GREEN = (200, 30, 30), (128, 128, 128), (20, 160, 40)


def test_cmyk_jpegs_are_read_in_their_colours() -> None:
    """Adobe's writers store the inks turned round, which their marker tells."""
    data = file(patches(RED, GREY, GREEN).convert("CMYK"), "JPEG", quality=95)
    with Image.open(io.BytesIO(data)) as image:
        assert image.mode == "CMYK" and "adobe" in image.info
    assert alike(colours(images.read(NAME, data=data), 3), [RED, GREY, GREEN])
    assert alike(colours(stored(data), 3), [RED, GREY, GREEN])


def test_ycck_jpegs_are_turned_back_into_inks() -> None:
    """The same file with Adobe's transform flag at 2: its first three channels are then luminance and colour."""
    whole = bytearray(file(patches(GREY, GREY).convert("CMYK"), "JPEG", quality=95))
    at = whole.index(b"Adobe") + 11
    assert whole[at] == 0
    whole[at] = 2
    data = bytes(whole)
    with Image.open(io.BytesIO(data)) as image:
        expected = image.convert("RGB").tobytes()
    assert images.read(NAME, data=data).tobytes() == stored(data).tobytes() == expected
    assert expected != images.read(NAME, data=file(patches(GREY, GREY).convert("CMYK"), "JPEG")).tobytes()


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP", "GIF"])
def test_one_bit_is_black_and_white(kind: str) -> None:
    image = Image.fromarray(np.array([[True, False], [False, True]]))
    for found in (images.read(NAME, data=file(image, kind)), stored(file(image, kind))):
        assert np.asarray(found)[..., 0].tolist() == [[255, 0], [0, 255]]


def test_one_bit_where_white_is_zero() -> None:
    image = Image.fromarray(np.array([[True, False]]))
    plain = file(image, "TIFF")
    turned = file(image, "TIFF", tiffinfo={262: 0})
    with Image.open(io.BytesIO(turned)) as opened:
        assert opened.tag_v2[262] == 0  # type: ignore[attr-defined]
        expected = np.asarray(opened.convert("L")).tolist()
    assert np.asarray(images.read(NAME, data=plain).convert("L")).tolist() == [[255, 0]]
    assert np.asarray(images.read(NAME, data=turned).convert("L")).tolist() == expected


@pytest.mark.parametrize("kind", ["PNG", "GIF", "TIFF", "BMP"])
def test_a_palette_is_its_colours(kind: str) -> None:
    image = patches(RED, GREY, GREEN).quantize(8)
    for found in (images.read(NAME, data=file(image, kind)), stored(file(image, kind))):
        assert colours(found, 3) == [RED, GREY, GREEN]


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_of_several_frames_the_first_is_meant_and_others_by_number(kind: str) -> None:
    frames = [patches(RED), patches(GREEN)]
    options: dict[str, Any] = {"lossless": True} if kind == "WEBP" else {}
    data = file(frames[0], kind, save_all=True, append_images=frames[1:], **options)
    assert alike(colours(images.read(NAME, data=data), 1), [RED])
    assert alike(colours(stored(data), 1), [RED])
    assert alike(colours(images.read(NAME, data=data, excerpt=Excerpt(frame=1)), 1), [GREEN])
    with pytest.raises(DataError, match=r"row 7: no frame 2"):
        images.read(NAME, data=data, excerpt=Excerpt(frame=2))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP"])
def test_the_suffix_says_nothing(tmp_path: Path, kind: str) -> None:
    for suffix in (".jpg", ".png", ".dcm", ".nii.gz", ""):
        path = tmp_path / f"picture{suffix}"
        path.write_bytes(file(patches(RED), kind))
        assert alike(colours(images.read(path), 1), [RED])
        kept = images.encoded(path, budget=BUDGET)
        assert kept.suffix == (".jpg" if kind == "JPEG" else ".png")


def interlaced(image: Image.Image) -> bytes:
    """Adam7, which Pillow reads and does not write."""

    def chunk(name: bytes, content: bytes) -> bytes:
        check = zlib.crc32(name + content)
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", check)

    values = np.asarray(image)
    passes = (
        (0, 8, 0, 8),
        (0, 8, 4, 8),
        (4, 8, 0, 4),
        (0, 4, 2, 4),
        (2, 4, 0, 2),
        (0, 2, 1, 2),
        (1, 2, 0, 1),
    )
    lines = b"".join(
        b"\0" + row.tobytes()
        for top, down, left, across in passes
        for row in values[top::down, left::across]
        if row.size
    )
    head = struct.pack(">IIBBBBB", image.width, image.height, 8, 2, 0, 0, 1)
    whole = [chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(lines)), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(whole)


def test_interlaced_pngs_and_progressive_jpegs_are_read_whole() -> None:
    image = Image.fromarray(noise(37, 29))
    data = interlaced(image)
    assert images.read(NAME, data=data).tobytes() == image.tobytes() == stored(data).tobytes()
    plain, progressive = (file(image, "JPEG", progressive=turn) for turn in (False, True))
    assert images.read(NAME, data=progressive).tobytes() == images.read(NAME, data=plain).tobytes()
    assert stored(progressive).tobytes() == stored(plain).tobytes()


def test_a_colour_profile_is_left_behind_and_changes_no_value() -> None:
    """As those who serve such models do: the values are taken as they stand."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image = Image.fromarray(noise(40, 40))
    for kind in ("PNG", "TIFF"):
        data = file(image, kind, icc_profile=profile)
        assert images.read(NAME, data=data).tobytes() == image.tobytes()
        kept = images.encoded(data, budget=BUDGET)
        assert profile not in kept.data and not Image.open(io.BytesIO(kept.data)).info.get("icc_profile")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP"])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 0.97])
def test_a_cut_off_file_is_one_line(tmp_path: Path, kind: str, share: float) -> None:
    whole = file(Image.fromarray(noise(64, 64)), kind)
    path = tmp_path / "cut"
    path.write_bytes(whole[: int(len(whole) * share)])
    for look in (images.read, lambda path: images.encoded(path, budget=BUDGET)):
        with pytest.raises(DataError, match=r"^[^\n]*cut: cannot be read as an image: [^\n]+$"):
            look(path)


def test_no_bytes_at_all_are_one_line() -> None:
    with pytest.raises(DataError, match=r"^row 7: holds no bytes$"):
        images.encoded(b"", name="row 7", budget=BUDGET)


def test_other_spaces_of_colour_are_read_in_their_colours() -> None:
    image = patches(RED, GREEN)
    lab = ImageCms.applyTransform(
        image,
        ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB"),
    )
    assert lab is not None
    for converted in (lab, image.convert("YCbCr")):
        assert alike(colours(images.read(NAME, data=file(converted, "TIFF")), 2), [RED, GREEN])


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_every_orientation_is_turned_upright_in_every_kind(kind: str, orientation: int) -> None:
    """A red field that shall be at the left of a green one, stored as a camera held so would store it."""
    upright = patches(RED, GREEN)
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    held = upright.transpose(undo[orientation]) if orientation > 1 else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = file(held, kind, exif=exif)
    for found in (images.read(NAME, data=data), stored(data)):
        assert found.size == upright.size and alike(colours(found, 2), [RED, GREEN])
