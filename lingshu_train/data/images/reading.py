"""One picture out of a file of any kind, which its first bytes tell; where they do not, its name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from PIL import Image

from lingshu_train.data.images import dicoms, niftis, nrrds, rasters, slides
from lingshu_train.data.images.excerpt import Excerpt
from lingshu_train.data.images.opening import opened
from lingshu_train.data.images.spacing import Shown, squared
from lingshu_train.data.images.volumes import Volume
from lingshu_train.errors import DataError

TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
"""Both byte orders, below and above 4 GiB."""
OTHER = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"RIFF", b"BM")
"""JPEG, PNG, GIF, WebP and BMP."""


def read(path: Path, *, data: bytes = b"", excerpt: Excerpt | None = None) -> Image.Image:
    """The picture that `excerpt` names in a file of any kind, as RGB without metadata. `data` as for `raster`."""
    return decode(path, data=data, excerpt=excerpt).convert("RGB")


def decode(path: Path, *, data: bytes = b"", excerpt: Excerpt | None = None) -> Image.Image:
    """As `read`, but mode L where the picture is grey: a third of the work for what comes after, with equal pixels."""
    return shown(path, data=data, excerpt=excerpt).image


def shown(path: Path, *, data: bytes = b"", excerpt: Excerpt | None = None) -> Shown:
    """As `decode`, and whether its pixels have moved. A box of the excerpt is cut out before pixels are made square."""
    wanted = excerpt or Excerpt()
    kind = kind_of(path, data)
    _check_fits(path, wanted, kind)
    if kind == "volume":
        assert wanted.plane is not None
        volume = Volume(path, data=data, frame=wanted.frame)
        found = Shown(image=volume.slice(wanted.plane, wanted.index, window=wanted.window))
    elif kind == "dicom":
        (found,) = dicoms.shown(path, data=data, frames=(wanted.frame,), window=wanted.window)
    elif kind == "tiff" and (wanted.box or wanted.level):
        part = slides.shown(path, data=data, box=wanted.box, level=wanted.level, window=wanted.window)
        return squared(path, part)
    else:
        found = rasters.shown(path, data=data, window=wanted.window, frame=wanted.frame)
    if wanted.box:
        found = replace(found, image=_cut(path, found.image, wanted.box))
    return squared(path, found)


def kind_of(path: Path, data: bytes) -> str:
    """volume, dicom, tiff or raster, by the first bytes, else by the name."""
    with opened(path, data, kind="an image") as file:
        head = file.read(niftis.HEADER)
        file.seek(0)
        if (
            head.startswith(niftis.GZIP)
            and not niftis.version(niftis.first_bytes(file))
            and ".nii" not in path.name
        ):
            raise DataError(f"{path}: gzip, but no NIfTI volume inside; decompress it")
    if head[128:132] == b"DICM":
        return "dicom"
    if head.startswith((nrrds.MAGIC, niftis.GZIP)) or niftis.version(head):
        return "volume"
    if head.startswith(TIFF):
        return "tiff"
    if head.startswith(OTHER):
        return "raster"
    if path.suffix.lower() in (".dcm", ".dicom"):
        return "dicom"
    return "volume" if path.name.lower().endswith((".nii", ".nii.gz", ".nrrd")) else "raster"


def _check_fits(path: Path, wanted: Excerpt, kind: str) -> None:
    """No part of an excerpt is passed over in silence."""
    if kind == "volume" and wanted.plane is None:
        raise DataError(
            f"{path}: a volume; say which slice: `plane` (axial, coronal or sagittal) and `index`"
        )
    if kind != "volume" and (wanted.plane or wanted.index):
        raise DataError(f"{path}: `plane` and `index` are for volumes, and this is none; use `frame`")
    if kind != "tiff" and wanted.level:
        raise DataError(f"{path}: `level` is for pyramidal TIFF, and this is none")
    if kind == "tiff" and wanted.frame and (wanted.box or wanted.level):
        raise DataError(f"{path}: `frame` does not go with `box` or `level`")


def _cut(path: Path, image: Image.Image, box: tuple[int, int, int, int]) -> Image.Image:
    left, top, right, bottom = box
    if not (0 <= left < right <= image.width and 0 <= top < bottom <= image.height):
        raise DataError(f"{path}: box {box} is not inside the picture, {image.width}x{image.height}")
    return image.crop(box)
