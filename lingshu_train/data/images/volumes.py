"""The one door for volumes, NIfTI and NRRD, of brightness or of labels: slices in radiological convention.

What a header claims is held against the file before memory is taken (niftis.py, nrrds.py), whichever way its axes run.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from lingshu_train.data.images import niftis, nrrds, windows
from lingshu_train.data.images.excerpt import Plane
from lingshu_train.data.images.limits import check_size
from lingshu_train.data.images.opening import named, opened, package
from lingshu_train.data.images.spacing import square_size
from lingshu_train.data.images.windows import SPREAD, Array, Choice, Deep, Scale, shade
from lingshu_train.errors import DataError

AXES: dict[Plane, int] = {"sagittal": 0, "coronal": 1, "axial": 2}
"""The axis of a canonical (RAS+) volume along which the plane's slices are stacked."""
VoxelBox = tuple[slice, slice, slice]
"""Voxels of a volume, axis by axis in the file's own order."""
MOST_SORTED = 2**27
"""Voxels that percentiles are taken of, 512 x 512 x 512: sorting takes some 30 bytes for each, 4 GiB in all."""


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
        self.dimensions = len(shape)
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

    def size(self, plane: Plane) -> tuple[int, int]:
        """Width and height of the plane's slices when their pixels are square. DataError: not to be had in memory."""
        across = AXES[plane]
        lengths = [len(kept) for axis, kept in enumerate(self._ranges) if axis != across]
        steps = [step for axis, step in enumerate(self._spacing) if axis != across]
        with named(self.path, kind="a volume"):
            width, height = square_size((lengths[0], lengths[1]), (steps[0], steps[1]))
        check_size(self.path, width, height)
        return width, height

    def pixels(self, plane: Plane, index: int) -> Array:
        """The values of one slice, (rows, columns) as it is seen, a pixel for every voxel."""
        if not 0 <= index < self.depth(plane):
            raise DataError(f"{self.path}: no {plane} slice {index}; there are {self.depth(plane)}")
        return seen(self._section(AXES[plane], index))

    def slice(self, plane: Plane, index: int, *, window: Choice = None) -> Image.Image:
        """One slice, mode L (RGB for `ct_rgb`), its pixels made square where the voxels are not.

        The window `spread` is that of the whole volume.
        """
        pixels = self.pixels(plane, index)
        if window in (SPREAD, Deep(SPREAD)) and (window == SPREAD or pixels.dtype.itemsize > 1):
            window = self.spread()
        picture = shade(self.path, pixels, window=window, scale=Scale(bits=pixels.dtype.itemsize * 8))
        size = self.size(plane)
        return picture if size == picture.size else picture.resize(size, Image.Resampling.BILINEAR)

    def count(self, inside: Callable[[Array], Array], plane: Plane) -> npt.NDArray[np.int64]:
        """For every slice of the plane, how many of its voxels are `inside`, a function of values of any shape.

        The file is read once, in the order in which it lies: no more than two of its axes are in memory.
        """
        across = self._axes[AXES[plane]]
        counts = np.zeros(self._voxels.shape[across], np.int64)
        for last in range(self._voxels.shape[2]):
            with named(self.path, kind="a volume"):
                block = inside(np.asarray(self._voxels[(slice(None), slice(None), last, *self._frame)]))
            if across == 2:
                counts[last] = np.count_nonzero(block)
            else:
                counts += np.count_nonzero(block, axis=1 - across)
        counts = counts[::-1] if self._flipped[AXES[plane]] else counts
        kept = self._ranges[AXES[plane]]
        return counts[kept.start : kept.stop]

    def turned(self, box: VoxelBox) -> tuple[range, range, range]:
        """A box in the file's own voxel order as voxels from right to left, back to front and foot to head, cut to the
        volume."""
        found = []
        for raw, flipped in zip(self._axes, self._flipped, strict=True):
            count = self._voxels.shape[raw]
            start, stop, _ = box[raw].indices(count)
            found.append(range(count - stop, count - start) if flipped else range(start, stop))
        across, along, up = found
        return across, along, up

    def spread(self) -> tuple[float, float]:
        """A window (centre, width) for values without a unit, from those of the whole volume.

        DataError: everything is 0, or there are more than MOST_SORTED voxels.
        """
        count = math.prod(self._voxels.shape)
        if count > MOST_SORTED:
            raise DataError(
                f"{self.path}: {count:,} voxels, and a window is found for {MOST_SORTED:,}; "
                "give `window: [centre, width]` in the card"
            )
        with named(self.path, kind="a volume"):
            values = np.asarray(self._voxels)
        return windows.spread(self.path, values)

    def _section(self, across: int, index: int) -> Array:
        """The two axes other than `across`, in canonical order and direction."""
        selection: list[int | slice] = [*range(3), *self._frame]
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


def seen(section: Array) -> Array:
    """Two canonical axes as (rows, columns): what lies up is at the top, and the patient's right is on the left."""
    return section[::-1, ::-1].T


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
