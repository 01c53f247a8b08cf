"""How many pictures a file or a folder holds one behind the other: slices of a volume, frames of a film, files of a series."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

from lingshu_train.data.images.dicoms import frame_count
from lingshu_train.data.images.excerpt import Excerpt, Plane
from lingshu_train.data.images.limits import MAX_FRAMES
from lingshu_train.data.images.opening import opened, package
from lingshu_train.data.images.reading import kind_of
from lingshu_train.data.images.volumes import Volume
from lingshu_train.errors import DataError

HEADER = ("SeriesInstanceUID", "InstanceNumber")
"""What is read of each file of a series."""


@dataclass(frozen=True, slots=True)
class Stack:
    """The file of each picture, and its place there, in their order."""

    files: tuple[Path | None, ...]
    places: tuple[Excerpt, ...]

    def __len__(self) -> int:
        return len(self.places)


def of(path: Path | None, data: bytes, *, plane: Plane) -> Stack | None:
    """The pictures of a volume along `plane`, of a DICOM object of several frames, or of a folder that holds one DICOM series;
    None for what is one picture. `data` as for `raster`, None for the path then.

    DataError: the folder holds no series or several, or what a header says cannot be.
    """
    if path is not None and path.is_dir():
        files = series(path)
        return Stack(files, tuple(Excerpt() for _ in files))
    where = path or Path("image")
    kind = kind_of(where, data)
    if kind == "volume":
        count = Volume(where, data=data).depth(plane)
        return Stack((path,) * count, tuple(Excerpt(plane=plane, index=index) for index in range(count)))
    count = _frames(where, data) if kind == "dicom" else 1
    return Stack((path,) * count, tuple(Excerpt(frame=n) for n in range(count))) if count > 1 else None


def series(folder: Path) -> tuple[Path, ...]:
    """The DICOM files of a folder by the number that the scanner gave them (InstanceNumber)."""
    found: dict[int, Path] = {}
    uids: set[str] = set()
    paths = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    if len(paths) > MAX_FRAMES:
        raise DataError(f"{folder}: {len(paths):,} files; at most {MAX_FRAMES:,} are accepted of a series")
    for path in paths:
        if kind_of(path, b"") != "dicom":
            continue
        uid, number = _said(path)
        uids.add(uid)
        if number in found:
            raise DataError(
                f"{path}: has the number {number} of {found[number].name}; a folder must hold one series"
            )
        found[number] = path
    if not found:
        raise DataError(
            f"{folder}: a folder without DICOM files; name a picture, a volume, or the folder of a series"
        )
    if len(uids) > 1:
        raise DataError(f"{folder}: holds {len(uids)} series; give each a folder of its own")
    return tuple(found[number] for number in sorted(found))


def _said(path: Path) -> tuple[str, int]:
    pydicom = package("pydicom", path)
    faults = (pydicom.errors.InvalidDicomError, pydicom.errors.BytesLengthException)
    with opened(path, b"", kind="DICOM", faults=faults) as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        header = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=list(HEADER))
        uid, number = (header.get(name) for name in HEADER)
    if number is None or str(number) == "":
        raise DataError(f"{path}: has no InstanceNumber, so its place in the series is not known")
    return str(uid or ""), int(number)


def _frames(path: Path, data: bytes) -> int:
    pydicom = package("pydicom", path)
    faults = (pydicom.errors.InvalidDicomError, pydicom.errors.BytesLengthException)
    with opened(path, data, kind="DICOM", faults=faults) as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        count = frame_count(pydicom.dcmread(file, stop_before_pixels=True, specific_tags=["NumberOfFrames"]))
    if not 1 <= count <= MAX_FRAMES:
        raise DataError(
            f"{path}: the header says {count:,} frames; between 1 and {MAX_FRAMES:,} are accepted"
        )
    return count
