"""Image cells of a row: file names, or the bytes that hub Parquet files carry, one or several."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from lingshu_train.data.cards import patterns
from lingshu_train.data.rows import elsewhere
from lingshu_train.data.rows.line import Line, missing
from lingshu_train.data.rows.row import Picture


def other_ending(picture: Picture, endings: Sequence[str]) -> Picture:
    """The picture itself, or where its file is not there that of the same name with another ending, the first that is."""
    if not endings or picture.path is None or picture.exists():
        return picture
    others = (replace(picture, path=picture.path.with_suffix(ending)) for ending in endings)
    return next((other for other in others if other.exists()), picture)


def pictures(
    line: Line, field: str, folder: Path, *, suffix: str = "", separator: str = "", anywhere: bool = False
) -> tuple[Picture, ...]:
    """The images in `field`, in order; none where it is absent or empty. File names are below `folder`.

    `suffix` is what names leave out, `separator` stands between several of one text. `anywhere`: a name may be a whole path.
    """
    value = line.nested(field)
    if isinstance(value, str) and separator:
        value = [name for name in value.split(separator) if name.strip()]
    cells = value if isinstance(value, list | tuple) else [] if missing(value) or value == "" else [value]
    if suffix:
        cells = [
            f"{cell.strip()}{suffix}" if isinstance(cell, str) and cell.strip() else cell for cell in cells
        ]
    return tuple(
        _picture(line, field if len(cells) == 1 else f"{field} {number}", cell, folder, anywhere=anywhere)
        for number, cell in enumerate(cells, start=1)
    )


def picture(line: Line, field: str, folder: Path) -> Picture:
    """The one image in `field`."""
    found = pictures(line, field, folder)
    if not found:
        raise line.absent(field)
    if len(found) > 1:
        raise line.error(field, f"must be one image, got {len(found)}")
    return found[0]


def file(
    line: Line, field: str, folder: Path, *, name: str, anywhere: bool = False, strictly: bool = False
) -> Picture:
    """The image file `name` below `folder`, or where it is not there and `strictly` is not said, where else it plainly lies
    (`elsewhere`). A web address, a name that leads out of the folder, or two files that could be meant: DataError."""
    if "://" in name:
        raise line.error(field, f"is a web address ({name}); fetch the images first")
    if "\\" in name and not (folder / name).is_file():  # As Windows writes it.
        name = name.replace("\\", "/")
    if anywhere and Path(name).is_absolute():
        return Picture(name=name, path=patterns.there(Path("/"), name.lstrip("/")))
    if name.startswith("/") or ".." in Path(name).parts:
        raise line.error(field, f"must be a file name below {folder}, got {name!r}")
    found = Picture(name=name, path=patterns.there(folder, name))
    other = (
        None if strictly or found.exists() or found.is_series() else elsewhere.find(line, field, folder, name)
    )
    return Picture(name=name, path=other[0], told=other[1]) if other else found


def group(images: tuple[Picture, ...]) -> str:
    """What rows of the same picture share: its name, or a hash of the bytes that came without one; empty without pictures."""
    if not images:
        return ""
    first = images[0]
    return first.name if first.path else hashlib.sha256(first.data).hexdigest()[:16]


def _picture(line: Line, field: str, cell: object, folder: Path, *, anywhere: bool) -> Picture:
    if isinstance(cell, str) and cell.strip():
        return _named(line, field, folder, name=cell.strip(), anywhere=anywhere)
    if isinstance(cell, bytes):
        cell = {"bytes": cell}
    if not isinstance(cell, Mapping):
        raise line.error(field, f"must be a file name or image bytes, got {type(cell).__name__}")
    data, name = cell.get("bytes"), line.written(field, cell.get("path"), place="path")
    if data:
        if not isinstance(data, bytes):
            raise line.error(field, f"image bytes must be bytes, got {type(data).__name__}")
        return Picture(name=name or f"{line.where}: {field}", data=data)
    if not name:
        raise line.error(field, "has neither image bytes nor a path")
    return _named(line, field, folder, name=name, anywhere=anywhere)


def _named(line: Line, field: str, folder: Path, *, name: str, anywhere: bool) -> Picture:
    found = file(line, field, folder, name=name, anywhere=anywhere)
    assert found.path is not None, "a file has its path"
    if not found.exists() and not found.is_series():
        if patterns.leads_nowhere(found.path):
            raise line.error(field, f"{found.path} is a link that leads nowhere")
        other = patterns.other_case(found.path)
        if other:
            raise line.error(field, f"no file {found.path}; {other!r} beside it differs in case alone")
    return found
