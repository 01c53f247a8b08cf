"""Parts of whole-slide images: a box of one pyramid level of a TIFF or SVS, only the tiles under it decoded."""

from __future__ import annotations

import io
import math
import struct
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from lingshu_train.data.images.limits import check_size
from lingshu_train.data.images.opening import opened, package
from lingshu_train.data.images.rasters import plain
from lingshu_train.data.images.spacing import X_RESOLUTION, Y_RESOLUTION, Shown, Spacing, spacing_of
from lingshu_train.data.images.windows import Array, Choice, Scale, refuse_for_colour, shade
from lingshu_train.errors import DataError

if TYPE_CHECKING:
    from tifffile import TiffPage

Box = tuple[int, int, int, int]
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, YCBCR = 0, 1, 2, 6
"""TIFF's PhotometricInterpretation."""
JPEG, APERIO_YCBCR, APERIO_RGB, JPEG2000 = 7, 33003, 33005, 34712
"""TIFF's Compression where Pillow decodes the tiles; the others are tifffile's."""
DEFLATE = (8, 32946)
"""TIFF's Compression where tifffile inflates a tile without a bound."""


def tile(
    path: Path, *, data: bytes = b"", box: Box | None = None, level: int = 0, window: Choice = None
) -> Image.Image:
    """`box` (left, top, right, bottom; None: all of it) in pixels of `level`, 0 the finest. L where grey, else RGB; its pixels
    as they are stored.

    Only the main picture is reachable: not the label or the overview, which can show a name. `data` as for `raster`.
    """
    return shown(path, data=data, box=box, level=level, window=window).image


def shown(
    path: Path, *, data: bytes = b"", box: Box | None = None, level: int = 0, window: Choice = None
) -> Shown:
    """As `tile`, with what the level says of the distance of its pixels; where it says nothing, the finest."""
    tifffile = package("tifffile", path)
    with opened(path, data, kind="a slide") as file, tifffile.TiffFile(file) as tiff:
        levels = tiff.series[0].levels
        if not 0 <= level < len(levels):
            raise DataError(f"{path}: no level {level}; there are {len(levels)}")
        page = levels[level].keyframe
        left, top, right, bottom = box or (0, 0, page.imagewidth, page.imagelength)
        if not (0 <= left < right <= page.imagewidth and 0 <= top < bottom <= page.imagelength):
            raise DataError(
                f"{path}: box {box} is not inside level {level}, {page.imagewidth}x{page.imagelength}"
            )
        check_size(path, right - left, bottom - top)
        _check_kind(path, page)
        pixels = _assembled(path, page, (left, top, right, bottom))
        spacing = _spacing(page) or _spacing(levels[0].keyframe)
    if pixels.shape[2] == 1:
        scale = Scale(bits=page.bitspersample, invert=page.photometric == WHITE_IS_ZERO)
        return Shown(image=shade(path, pixels[..., 0], window=window, scale=scale), spacing=spacing)
    refuse_for_colour(path, window)
    return Shown(image=plain(Image.fromarray(pixels)), spacing=spacing)


def _spacing(page: TiffPage) -> Spacing | None:
    """The tags are pairs of numbers, pixels over a length."""
    dense = [page.tags.get(tag) for tag in (X_RESOLUTION, Y_RESOLUTION)]
    if None in dense:
        return None
    (across, along), (down, deep) = (tag.value for tag in dense if tag is not None)
    return spacing_of(along / across if across else 0, deep / down if down else 0)


def _check_kind(path: Path, page: TiffPage) -> None:
    """Grey of any type, or colour of 8 bits, all channels of a pixel together."""
    kinds = (RGB, YCBCR) if page.compression in (JPEG, APERIO_YCBCR, APERIO_RGB, JPEG2000) else (RGB,)
    grey = page.samplesperpixel == 1 and page.photometric in (WHITE_IS_ZERO, BLACK_IS_ZERO)
    colour = page.samplesperpixel in (3, 4) and page.photometric in kinds and page.planarconfig == 1
    if not (grey or (colour and page.dtype == np.uint8)) or page.imagedepth != 1 or page.dtype is None:
        raise DataError(
            f"{path}: pixels of {page.samplesperpixel} x {page.bitspersample} bits, photometric "
            f"{int(page.photometric)}, are not supported; grey, or colour of 8 bits per channel, is"
        )


def _assembled(path: Path, page: TiffPage, box: Box) -> Array:
    """(rows, columns, channels) of the box. Where the file holds no tile the picture is black."""
    left, top, right, bottom = box
    high, wide = (page.tilelength, page.tilewidth) if page.is_tiled else (page.rowsperstrip, page.imagewidth)
    high = min(high, page.imagelength)
    check_size(path, wide, high)
    across = -(-page.imagewidth // wide)
    pixels = np.zeros((bottom - top, right - left, page.samplesperpixel), dtype=page.dtype)
    for row in range(top // high, -(-bottom // high)):
        for column in range(left // wide, -(-right // wide)):
            index = row * across + column
            if not page.databytecounts[index]:
                continue
            y, x = row * high, column * wide
            part = _segment(path, page, index)[max(top - y, 0) : bottom - y, max(left - x, 0) : right - x]
            down, along = max(y - top, 0), max(x - left, 0)
            pixels[down : down + part.shape[0], along : along + part.shape[1]] = part
    return pixels


def _segment(path: Path, page: TiffPage, index: int) -> Array:
    """One decoded tile or strip, (rows, columns, channels)."""
    handle, length = page.parent.filehandle, page.databytecounts[index]
    if length > handle.size:
        raise DataError(f"{path}: tile {index} has {length:,} bytes, but the file has {handle.size:,} in all")
    handle.seek(page.dataoffsets[index])
    packed = handle.read(length)
    if page.compression == JPEG:
        return _decoded(path, _whole_jpeg(packed, page.jpegtables or b"", page.photometric))
    if page.compression in (APERIO_YCBCR, APERIO_RGB, JPEG2000):
        pixels = _decoded(path, packed)
        if page.compression == APERIO_YCBCR:
            return np.asarray(Image.fromarray(pixels, mode="YCbCr").convert("RGB"))
        return pixels
    assert page.dtype is not None, "no such page passes _check_kind"
    size = math.prod(page.chunks) * page.dtype.itemsize
    if page.compression in DEFLATE and len(zlib.decompressobj().decompress(packed, size + 1)) > size:
        raise DataError(f"{path}: tile {index} inflates to more than the {size:,} bytes of its pixels")
    decoded, _, _ = page.decode(packed, index)
    if decoded is None:
        raise DataError(f"{path}: tile {index} holds no pixels")
    return np.asarray(decoded[0])


def _decoded(path: Path, packed: bytes) -> Array:
    Image.init()
    with Image.open(io.BytesIO(packed), formats=("JPEG", "JPEG2000")) as image:
        check_size(path, *image.size)
        pixels = np.asarray(image)
    return pixels if pixels.ndim == 3 else pixels[..., None]


def _whole_jpeg(packed: bytes, tables: bytes, photometric: int) -> bytes:
    """A tile's JPEG stream with the tables that all tiles share, and Adobe's marker to say whether colours are YCbCr.

    Without it a decoder takes three channels for YCbCr, and Aperio's files hold RGB.
    """
    adobe = b"\xff\xee" + struct.pack(">H5sHHHB", 14, b"Adobe", 100, 0, 0, 1 if photometric == YCBCR else 0)
    return b"\xff\xd8" + (adobe if photometric in (RGB, YCBCR) else b"") + tables[2:-2] + packed[2:]
