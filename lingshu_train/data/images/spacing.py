"""How far apart a picture's pixels are across and down, as its file says, and the one rule that makes them square."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from PIL import Image, ImageFile

from lingshu_train.data.images.limits import check_size
from lingshu_train.errors import DataError

Spacing = tuple[float, float]
"""Distance from one pixel to the next, to the right and down, in any unit: the ratio alone counts."""
TOLERANCE = 1.01
"""Up to this ratio pixels count as square: densities are written in whole dots, and one per cent is not seen."""
MOST = 10.0
"""Above this ratio the header of a flat picture lies. Retinal tomography reaches some 5, fax 2."""
X_RESOLUTION, Y_RESOLUTION = 282, 283
"""The tags of TIFF and of EXIF: pixels for each unit of length."""
GIF_ASPECT_AT = 12
"""Where a GIF says how wide a pixel is: in sixty-fourths of its height, less 15; 0 where it does not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A picture as its file has it, upright. `spacing` None: the file does not say. `moved`: its pixels lie elsewhere than
    in the file (turned, mirrored or stretched), so that places told in pixels of the file do not hold."""

    image: Image.Image
    spacing: Spacing | None = None
    moved: bool = False


def squared(path: Path, shown: Shown) -> Shown:
    """The picture with square pixels: the finer side stays as it is, the other is stretched (bilinear).

    DataError: a ratio above MOST, or more pixels than are accepted.
    """
    if shown.spacing is None:
        return shown
    ratio = max(shown.spacing) / min(shown.spacing)
    if ratio > MOST:
        raise DataError(
            f"{path}: the header says that pixels are {ratio:.3g} times as long as wide or as wide as long; above {MOST:g} it "
            "is taken for damaged; correct it, or remove what it says of the resolution"
        )
    size = square_size(shown.image.size, shown.spacing)
    if size == shown.image.size:
        return shown
    check_size(path, *size)
    return Shown(image=shown.image.resize(size, Image.Resampling.BILINEAR), moved=True)


def square_size(size: tuple[int, int], spacing: Spacing) -> tuple[int, int]:
    """Width and height when pixels are square: never less than before; the same up to a ratio of TOLERANCE."""
    finest = min(spacing)
    if max(spacing) <= TOLERANCE * finest:
        return size
    return round(size[0] * spacing[0] / finest), round(size[1] * spacing[1] / finest)


def spacing_of(across: object, down: object) -> Spacing | None:
    """Two lengths of a header; None where they are no two finite numbers above 0, which states nothing."""
    try:
        found = float(across), float(down)  # type: ignore[arg-type]
    except (ArithmeticError, TypeError, ValueError):
        return None
    return found if all(math.isfinite(length) and length > 0 for length in found) else None


def from_density(across: object, down: object) -> Spacing | None:
    """As `spacing_of`, of pixels for each unit of length."""
    dense = spacing_of(across, down)
    return dense and (1 / dense[0], 1 / dense[1])


def stated(image: Image.Image) -> Spacing | None:
    """What an opened PNG, JPEG, TIFF, BMP, GIF or WebP says, its own words before those of EXIF; along its stored axes."""
    known = _KINDS.get(image.format or "")
    own = known(image) if known else None
    if own is not None:
        return own
    tags: Mapping[int, object] = image.getexif()
    return from_density(tags.get(X_RESOLUTION), tags.get(Y_RESOLUTION))


def is_square(spacing: Spacing | None) -> bool:
    return spacing is None or max(spacing) <= TOLERANCE * min(spacing)


def _png(image: Image.Image) -> Spacing | None:
    return from_density(*image.info.get("dpi", image.info.get("aspect", (0, 0))))


def _jpeg(image: Image.Image) -> Spacing | None:
    return from_density(*image.info.get("jfif_density", (0, 0)))


def _bmp(image: Image.Image) -> Spacing | None:
    return from_density(*image.info.get("dpi", (0, 0)))


def _gif(image: Image.Image) -> Spacing | None:
    """Pillow does not tell."""
    if not isinstance(image, ImageFile.ImageFile) or image.fp is None:
        return None
    stream = image.fp
    place = stream.tell()
    stream.seek(GIF_ASPECT_AT)
    (written,) = stream.read(1) or b"\0"
    stream.seek(place)
    return spacing_of(Fraction(written + 15, 64), 1) if written else None


_KINDS: Mapping[str, Callable[[Image.Image], Spacing | None]] = {
    "PNG": _png,
    "JPEG": _jpeg,
    "MPO": _jpeg,
    "BMP": _bmp,
    "GIF": _gif,
}
