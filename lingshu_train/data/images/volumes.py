"""Slices of NIfTI and NRRD volumes in radiological convention, whichever way the file's axes run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from lingshu_train.data.images import niftis, nrrds
from lingshu_train.data.images.excerpt import Plane
from lingshu_train.data.images.limits import check_size
from lingshu_train.data.images.opening import named, opened, package
from lingshu_train.data.images.windows import Array, Scale, Window, shade
from lingshu_train.errors import DataError

AXES: dict[Plane, int] = {"sagittal": 0, "coronal": 1, "axial": 2}
"""The axis of a canonical (RAS+) volume along which the plane's slices are stacked."""


class Volume:
    """A volume of 3 dimensions, or one `frame` of 4.

    Axial and coronal slices show the patient's right on the left; sagittal slices look to the left. `extent`
    (first, last) cuts along an axis, and slices are counted after the cut. `data` as for `raster`. Voxels keep the
    file's type, and stay in the file where it is not compressed, until a slice is asked for.
    """

    def __init__(
        self,
        path: Path,
        *,
        data: bytes = b"",
        frame: int = 0,
        extent: Mapping[Plane, tuple[int, int]] | None = None,
    ) -> None:
        self.path = path
        with opened(path, data, kind="a volume") as file:
            loader = nrrds if file.read(len(nrrds.MAGIC)) == nrrds.MAGIC else niftis
        self._voxels, affine = loader.voxels(path, data)
        shape = self._voxels.shape
        if len(shape) not in (3, 4):
            raise DataError(f"{path}: expected a volume of 3 dimensions, got {len(shape)}")
        frames = shape[3] if len(shape) == 4 else 1
        if not 0 <= frame < frames:
            raise DataError(f"{path}: no frame {frame}; there are {frames}")
        self._frame = (frame,) if len(shape) == 4 else ()
        self._axes, self._flipped, self._spacing = _canonical(path, affine)
        self._ranges = [range(shape[axis]) for axis in self._axes]
        for plane, (first, last) in (extent or {}).items():
            self._ranges[AXES[plane]] = self._ranges[AXES[plane]][first:last]
            if not self.depth(plane):
                raise DataError(f"{path}: extent {plane} {first} to {last} leaves nothing of the volume")

    def depth(self, plane: Plane) -> int:
        return len(self._ranges[AXES[plane]])

    def slice(self, plane: Plane, index: int, *, window: Window | None = None) -> Image.Image:
        """One slice, mode L (RGB for `ct_rgb`), its pixels made square where the voxels are not."""
        if not 0 <= index < self.depth(plane):
            raise DataError(f"{self.path}: no {plane} slice {index}; there are {self.depth(plane)}")
        across = AXES[plane]
        pixels = self._section(across, index)[::-1, ::-1].T
        picture = shade(self.path, pixels, window=window, scale=Scale(bits=pixels.dtype.itemsize * 8))
        width, height = (step for axis, step in enumerate(self._spacing) if axis != across)
        finest = min(height, width)
        size = (round(picture.width * width / finest), round(picture.height * height / finest))
        check_size(self.path, *size)
        return picture if size == picture.size else picture.resize(size, Image.Resampling.BILINEAR)

    def _section(self, across: int, index: int) -> Array:
        """The two axes other than `across`, in canonical order and direction."""
        selection: list[Any] = [*range(3), *self._frame]
        for axis, (raw, kept) in enumerate(zip(self._axes, self._ranges, strict=True)):
            first, last = (kept[index], kept[index] + 1) if axis == across else (kept.start, kept.stop)
            if self._flipped[axis]:
                first, last = self._voxels.shape[raw] - last, self._voxels.shape[raw] - first
            selection[raw] = slice(first, last)
        with named(self.path, kind="a volume"):
            block = np.asarray(self._voxels[tuple(selection)])
        turned = block.transpose(self._axes)[
            tuple(slice(None, None, -1 if flip else 1) for flip in self._flipped)
        ]
        section: Array = turned.take(0, axis=across)
        return section


def _canonical(path: Path, affine: Array) -> tuple[tuple[int, ...], tuple[bool, ...], tuple[float, ...]]:
    """For each RAS+ axis: the axis of the file closest to it, whether that runs backwards, and the step in mm.

    `affine` is 4 x 4, voxel indices to RAS+ millimetres.
    """
    nibabel = package("nibabel", path)
    with named(path, kind="a volume"):
        orientation = nibabel.io_orientation(affine)
        steps = nibabel.affines.voxel_sizes(affine)
    if not np.isfinite(orientation).all() or not np.isfinite(steps).all() or not (steps > 0).all():
        raise DataError(f"{path}: the header does not say how the axes lie in the patient")
    axes = tuple(int(axis) for axis in np.argsort(orientation[:, 0]))
    return (
        axes,
        tuple(bool(orientation[axis, 1] < 0) for axis in axes),
        tuple(float(steps[axis]) for axis in axes),
    )
