"""PNG, JPEG, TIFF and their like: size checked, turned upright, transparency laid on white, metadata left behind."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from lingshu_train.data.images.limits import check_size
from lingshu_train.data.images.opening import opened
from lingshu_train.data.images.spacing import Shown, Spacing, stated
from lingshu_train.data.images.windows import Array, Choice, Scale, chosen, refuse_for_colour, shade
from lingshu_train.errors import DataError

FORMATS = ("JPEG", "PNG", "TIFF", "BMP", "GIF", "WEBP")
"""Pillow reads many more; those would be decoders that nobody asked for, run on files that nobody checked."""
WHITE_IS_ZERO = 0
PHOTOMETRIC = 262
"""A value of TIFF's PhotometricInterpretation, and the number of that tag."""
ORIENTATION = 0x0112
UPRIGHT, ON_ITS_SIDE = 1, range(5, 9)
"""The EXIF tag; its value where nothing is to be turned, and those where width and height change places."""


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


def raster(path: Path, *, data: bytes = b"", window: Choice = None, frame: int = 0) -> Image.Image:
    """Mode L where the file is grey, else RGB, its pixels as they are stored. `frame` is the page of a TIFF or the frame of a
    clip.

    `data` are the file's bytes where a row carries them; `path` then only names it. A window is for grey values.
    """
    return shown(path, data=data, window=window, frame=frame).image


def shown(path: Path, *, data: bytes = b"", window: Choice = None, frame: int = 0) -> Shown:
    """As `raster`, with what the file says of the distance of its pixels."""
    with pillow(path, data) as image:
        if frame:
            _seek(path, image, frame)
        bits = _bits(path, image)
        turned = image.getexif().get(ORIENTATION, UPRIGHT)
        spacing = _upright(stated(image), turned)
        image.load()
        ImageOps.exif_transpose(image, in_place=True)
        if image.mode in ("I", "F") or image.mode.startswith("I;16"):
            scale = Scale(bits=bits, invert=_white_is_zero(image))
            values = np.asarray(image)
            picture = shade(path, values, window=window, scale=scale)
            picture = _without_key(picture, values, image.info.get("transparency"))
        else:
            picture = plain(image)
            if picture.mode != "L":
                refuse_for_colour(path, window)
            elif chosen(window, bits=8) is not None:
                picture = shade(path, np.asarray(picture), window=window, scale=Scale(bits=8))
    return Shown(image=picture, spacing=spacing, moved=turned in range(2, 9))


def plain(image: Image.Image) -> Image.Image:
    """The pixels alone, of at most 8 bits, as L or RGB: names, dates and places in the metadata stay behind.

    Transparency is laid on white, in the arithmetic of those who serve such models: Pillow's paste through the alpha.
    """
    grey = image.mode in ("1", "L", "LA", "La")
    kind = "L" if grey else "RGB"
    if not image.has_transparency_data:
        clear = image.convert(kind)
        bare = Image.new(kind, image.size)
        bare.paste(clear)
        return bare
    clear = image.convert("RGBA")
    bare = Image.new(kind, image.size, "white")
    bare.paste(clear.getchannel("R") if grey else clear.convert("RGB"), mask=clear.getchannel("A"))
    return bare


def _without_key(picture: Image.Image, values: Array, key: object) -> Image.Image:
    """A PNG of 16 bits may name one grey that is transparent: it is white as other transparency is."""
    if isinstance(key, int):
        picture.paste("white", mask=Image.fromarray(values == key))
    return picture


def _upright(spacing: Spacing | None, orientation: int) -> Spacing | None:
    """Along the axes of the picture as it is seen."""
    return (spacing[1], spacing[0]) if spacing and orientation in ON_ITS_SIDE else spacing


def _seek(path: Path, image: Image.Image, frame: int) -> None:
    try:
        image.seek(frame)
    except EOFError:
        raise DataError(f"{path}: no frame {frame}") from None
    check_size(path, *image.size)


def _bits(path: Path, image: Image.Image) -> int:
    """Bits of a value. DataError: colour of more than 8, of which Pillow would keep the upper 8 and say nothing."""
    tiles = getattr(image, "tile", [])
    layout = tiles[0].args if tiles else ""
    stored = layout if isinstance(layout, str) else str(layout[0]) if layout else ""
    if ";16" in stored and not image.mode.startswith("I"):
        raise DataError(f"{path}: colour of 16 bits per channel is not supported, only 8")
    if image.mode.startswith("I;16") or ";16" in stored:
        return 16
    return 32 if image.mode in ("I", "F") else 8


def _white_is_zero(image: Image.Image) -> bool:
    """TIFF's MONOCHROME1, which Pillow turns round for 8 bits only."""
    tags = getattr(image, "tag_v2", {})
    return bool(tags.get(PHOTOMETRIC, 1) == WHITE_IS_ZERO)
