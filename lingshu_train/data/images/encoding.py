"""What a corpus stores of a picture: no metadata, no more pixels than the processor would keep, nothing lost."""

from __future__ import annotations

import io
from pathlib import Path
from typing import NamedTuple

from PIL import Image, ImageChops

from lingshu_train.data.images import jpegs, pngs, reading
from lingshu_train.data.images.excerpt import Excerpt
from lingshu_train.data.images.fitting import fit
from lingshu_train.data.images.limits import check_size
from lingshu_train.data.images.opening import opened
from lingshu_train.data.images.rasters import ORIENTATION, UPRIGHT, plain
from lingshu_train.data.images.spacing import Shown, is_square, stated
from lingshu_train.data.images.windows import Deep
from lingshu_train.errors import DataError
from lingshu_train.model.shape import PictureBudget

SOI = b"\xff\xd8\xff"
LEVEL = 1
"""Of zlib: up to four times the speed of its default 6, for files larger by 2 (histology) to 20 % (fundus)."""


class Encoded(NamedTuple):
    """A picture as it stands in a corpus. `suffix` is that of a file with these bytes; sizes in pixels.

    `whole` is the size before it was fitted to the budget; `moved` as for `Shown`.
    """

    data: bytes
    suffix: str
    width: int
    height: int
    whole: tuple[int, int]
    moved: bool = False


def encoded(
    source: Path | bytes | Image.Image,
    *,
    name: str = "picture",
    excerpt: Excerpt | None = None,
    budget: PictureBudget,
) -> Encoded:
    """An upright JPEG, or PNG within the budget, of 8 bits and square pixels keeps its compressed data; all else becomes a PNG.

    What is no JPEG and has more than the budget's `max_pixels` is fitted first, which gives the model equal pixel values.
    Errors as for `read`; `name` stands in them for bytes.
    """
    if isinstance(source, Image.Image):
        if source.mode.startswith(("I", "F")):
            raise DataError(f"{name}: more than 8 bits (mode {source.mode}); read it with a window first")
        return _png(Shown(image=plain(source)), budget)
    if source == b"":
        raise DataError(f"{name}: holds no bytes")
    path, data = (source, b"") if isinstance(source, Path) else (Path(name), source)
    if excerpt is None or _nothing_asked(excerpt):
        kept = _kept(path, data, max_pixels=budget.max_pixels)
        if kept is not None:
            return kept
    return _png(reading.shown(path, data=data, excerpt=excerpt), budget)


def _nothing_asked(excerpt: Excerpt) -> bool:
    """Whether a JPEG or PNG of 8 bits is meant as it stands: the window of a whole data set is none of it."""
    return excerpt == Excerpt() or (
        isinstance(excerpt.window, Deep) and excerpt == Excerpt(window=excerpt.window)
    )


def _kept(path: Path, data: bytes, *, max_pixels: int) -> Encoded | None:
    """The JPEG or PNG without metadata; None where its pixels must be changed, or it is neither.

    It is decoded once to find out whether it is whole: a JPEG at an eighth of its size, which reads all of its data.
    """
    with opened(path, data, kind="an image", faults=(Image.DecompressionBombError,)) as file:
        head = file.read(pngs.DEPTH_AT + 1)
        if not head.startswith((SOI, pngs.START)):
            return None
        file.seek(0)
        with Image.open(file, formats=("JPEG", "PNG")) as image:
            check_size(path, *image.size)
            width, height = image.size
            jpeg = head.startswith(SOI)
            if not jpeg and (width * height > max_pixels or head[pngs.DEPTH_AT] != 8):
                return None
            if image.mode not in ("L", "RGB") or image.getexif().get(ORIENTATION, UPRIGHT) != UPRIGHT:
                return None
            if not is_square(stated(image)):
                return None
            if jpeg:
                image.draft(image.mode, (1, 1))
                image.load()
            elif not _is_plain(image):
                return None
        file.seek(0)
        bare = jpegs.bare if jpeg else pngs.bare
        return Encoded(bare(file.read()), ".jpg" if jpeg else ".png", width, height, (width, height))


def _is_plain(image: Image.Image) -> bool:
    """Whether every pixel is opaque, and grey is not kept in three channels."""
    image.load()
    return not image.has_transparency_data and _one_channel(image) is image


def _png(shown: Shown, budget: PictureBudget) -> Encoded:
    image, whole = _one_channel(shown.image), shown.image.size
    if image.width * image.height > budget.max_pixels:
        image = fit(image, budget)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=LEVEL)
    return Encoded(buffer.getvalue(), ".png", *image.size, whole, shown.moved)


def _one_channel(image: Image.Image) -> Image.Image:
    """Grey kept in three equal channels as one of them."""
    if image.mode == "L":
        return image
    red, green, blue = image.split()
    grey = not ImageChops.difference(red, green).getbbox() and not ImageChops.difference(red, blue).getbbox()
    return red if grey else image
