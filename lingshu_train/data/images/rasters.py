"""PNG, JPEG, TIFF and their like: size checked, turned upright, transparency laid on black, metadata left behind."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from lingshu_train.data.images.limits import check_size
from lingshu_train.data.images.opening import opened
from lingshu_train.data.images.windows import Scale, Window, shade
from lingshu_train.errors import DataError

FORMATS = ("JPEG", "PNG", "TIFF", "BMP", "GIF", "WEBP")
"""Pillow reads many more; those would be decoders that nobody asked for, run on files that nobody checked."""
WHITE_IS_ZERO = 0
PHOTOMETRIC = 262
"""A value of TIFF's PhotometricInterpretation, and the number of that tag."""


@contextmanager
def pillow(path: Path, data: bytes = b"") -> Iterator[Image.Image]:
    """The file as Pillow opens it, its size checked, not yet decoded. What goes wrong inside is one line as well."""
    Image.init()
    with (
        opened(path, data, kind="an image", faults=(Image.DecompressionBombError,)) as file,
        Image.open(file, formats=FORMATS) as image,
    ):
        check_size(path, *image.size)
        yield image


def raster(path: Path, *, data: bytes = b"", window: Window | None = None, frame: int = 0) -> Image.Image:
    """Mode L where the file is grey, else RGB. `frame` is the page of a TIFF or the frame of a clip.

    `data` are the file's bytes where a row carries them; `path` then only names it. A window is for grey values.
    """
    with pillow(path, data) as image:
        if frame:
            _seek(path, image, frame)
        _refuse_deep_colour(path, image)
        image.load()
        ImageOps.exif_transpose(image, in_place=True)
        if image.mode in ("I", "F") or image.mode.startswith("I;16"):
            scale = Scale(bits=16 if image.mode.startswith("I;16") else 32, invert=_white_is_zero(image))
            return shade(path, np.asarray(image), window=window, scale=scale)
        shown = plain(image)
    if window is None:
        return shown
    if shown.mode != "L":
        raise DataError(f"{path}: a window is for grey values, and this picture is in colour")
    return shade(path, np.asarray(shown), window=window, scale=Scale(bits=8))


def plain(image: Image.Image) -> Image.Image:
    """The pixels alone, of at most 8 bits, as L or RGB: names, dates and places in the metadata stay behind."""
    grey = image.mode in ("1", "L", "LA", "La")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, (0, 0, 0, 255)), image)
    shown = image.getchannel("R") if grey and image.mode == "RGBA" else image.convert("L" if grey else "RGB")
    bare = Image.new(shown.mode, shown.size)
    bare.paste(shown)
    return bare


def _seek(path: Path, image: Image.Image, frame: int) -> None:
    try:
        image.seek(frame)
    except EOFError:
        raise DataError(f"{path}: no frame {frame}") from None
    check_size(path, *image.size)


def _refuse_deep_colour(path: Path, image: Image.Image) -> None:
    """Pillow would keep the upper 8 bits of each channel and say nothing."""
    tiles = getattr(image, "tile", [])
    layout = tiles[0].args if tiles else ""
    stored = layout if isinstance(layout, str) else str(layout[0]) if layout else ""
    if ";16" in stored and not image.mode.startswith("I"):
        raise DataError(f"{path}: colour of 16 bits per channel is not supported, only 8")


def _white_is_zero(image: Image.Image) -> bool:
    """TIFF's MONOCHROME1, which Pillow turns round for 8 bits only."""
    tags = getattr(image, "tag_v2", {})
    return bool(tags.get(PHOTOMETRIC, 1) == WHITE_IS_ZERO)
