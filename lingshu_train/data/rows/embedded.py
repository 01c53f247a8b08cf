"""Image cells of a row: file names, or the bytes that hub Parquet files carry, one or several."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from lingshu_train.data.rows.line import Line
from lingshu_train.data.rows.row import Picture


def pictures(line: Line, field: str, folder: Path) -> tuple[Picture, ...]:
    """The images in `field`, in order; none where it is absent or empty. File names are below `folder`."""
    value = line.values.get(field)
    cells = value if isinstance(value, list | tuple) else [] if value in (None, "") else [value]
    return tuple(_picture(line, field, cell, folder) for cell in cells)


def picture(line: Line, field: str, folder: Path) -> Picture:
    """The one image in `field`."""
    found = pictures(line, field, folder)
    if not found:
        raise line.absent(field)
    if len(found) > 1:
        raise line.error(field, f"must be one image, got {len(found)}")
    return found[0]


def file(line: Line, field: str, folder: Path, *, name: str) -> Picture:
    """The image file `name` below `folder`. A web address, or a name that leads out of it: DataError."""
    if "://" in name:
        raise line.error(field, f"is a web address ({name}); fetch the images first")
    if name.startswith("/") or ".." in Path(name).parts:
        raise line.error(field, f"must be a file name below {folder}, got {name!r}")
    return Picture(name=name, path=folder / name)


def _picture(line: Line, field: str, cell: object, folder: Path) -> Picture:
    if isinstance(cell, str) and cell.strip():
        return file(line, field, folder, name=cell.strip())
    if isinstance(cell, bytes):
        cell = {"bytes": cell}
    if not isinstance(cell, Mapping):
        raise line.error(field, f"must be a file name or image bytes, got {type(cell).__name__}")
    data, name = cell.get("bytes"), str(cell.get("path") or f"{line.where}: {field}")
    if data:
        if not isinstance(data, bytes):
            raise line.error(field, f"image bytes must be bytes, got {type(data).__name__}")
        return Picture(name=name, data=data)
    if not cell.get("path"):
        raise line.error(field, "has neither image bytes nor a path")
    return file(line, field, folder, name=name)
