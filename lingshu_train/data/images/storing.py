"""What a corpus stores of a picture: no metadata, no more pixels than the processor would keep, nothing lost."""

from __future__ import annotations

import io
from pathlib import Path
from typing import NamedTuple

from PIL import Image, ImageChops

from lingshu_train.data.excerpt import Excerpt
from lingshu_train.data.images import jpegs
from lingshu_train.data.images.fitting import fit
from lingshu_train.data.images.limits import check_size
from lingshu_train.data.images.opening import opened
from lingshu_train.data.images.rasters import plain
from lingshu_train.data.images.reading import decode
from lingshu_train.errors import DataError

ORIENTATION = 0x0112
UPRIGHT = 1
SOI = b"\xff\xd8\xff"
LEVEL = 1
"""Of zlib: up to four times the speed of its default 6, for files larger by 2 (histology) to 20 % (fundus)."""


class Stored(NamedTuple):
    """A picture as it stands in a corpus. `suffix` is that of a file with these bytes; sizes in pixels."""

    data: bytes
    suffix: str
    width: int
    height: int


def stored(
    source: Path | bytes | Image.Image,
    *,
    name: str = "picture",
    excerpt: Excerpt | None = None,
    min_pixels: int,
    max_pixels: int,
) -> Stored:
    """A JPEG of 8 bits that stands upright keeps its compressed data; everything else becomes a PNG.

    A PNG of more than `max_pixels` is fitted first, which gives the model equal pixel values. Errors as for `read`;
    `name` stands in them for bytes.
    """
    if isinstance(source, Image.Image):
        return _png(plain(source), min_pixels=min_pixels, max_pixels=max_pixels)
    if source == b"":
        raise DataError(f"{name}: holds no bytes")
    path, data = (source, b"") if isinstance(source, Path) else (Path(name), source)
    if excerpt is None or excerpt == Excerpt():
        kept = _kept(path, data)
        if kept is not None:
            return kept
    return _png(decode(path, data=data, excerpt=excerpt), min_pixels=min_pixels, max_pixels=max_pixels)


def _kept(path: Path, data: bytes) -> Stored | None:
    """The JPEG without metadata; None where it must be decoded, or is none.

    It is decoded at an eighth of its size, which reads all of the compressed data, to find out whether it is whole.
    """
    with opened(path, data, kind="an image", faults=(Image.DecompressionBombError,)) as file:
        if file.read(len(SOI)) != SOI:
            return None
        file.seek(0)
        with Image.open(file, formats=("JPEG",)) as image:
            check_size(path, *image.size)
            upright = image.getexif().get(ORIENTATION, UPRIGHT) == UPRIGHT
            if image.mode not in ("L", "RGB") or not upright:
                return None
            width, height = image.size
            image.draft(image.mode, (1, 1))
            image.load()
        file.seek(0)
        return Stored(jpegs.bare(file.read()), ".jpg", width, height)


def _png(image: Image.Image, *, min_pixels: int, max_pixels: int) -> Stored:
    image = _one_channel(image)
    if image.width * image.height > max_pixels:
        image = fit(image, min_pixels=min_pixels, max_pixels=max_pixels)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=LEVEL)
    return Stored(buffer.getvalue(), ".png", *image.size)


def _one_channel(image: Image.Image) -> Image.Image:
    """Grey kept in three equal channels as one of them."""
    if image.mode == "L":
        return image
    red, green, blue = image.split()
    grey = not ImageChops.difference(red, green).getbbox() and not ImageChops.difference(red, blue).getbbox()
    return red if grey else image
