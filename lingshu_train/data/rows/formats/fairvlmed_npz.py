"""FairVLMed: `Training/data_00001.npz` and so on, each with a scanning-laser fundus picture and its note."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator

import numpy as np

from lingshu_train.data.rows import arrays, published
from lingshu_train.data.rows import row as rowlib
from lingshu_train.data.rows.line import Line
from lingshu_train.data.rows.row import Origin, Row


class Fields(rowlib.Captions):
    """`prompt` asks for the note. The attributes (age, race and so on) are not read."""

    prompt: str = "Write the clinical note that goes with this scanning laser fundus image."


lines = published.file_lines


def rows(line: Line, fields: Fields, origin: Origin) -> Iterator[Row]:
    pixels, note = _arrays(line)
    if note.dtype.kind != "U" or not str(note).strip():
        raise line.error("note", "must be a text that is not empty")
    image = arrays.picture(line, pixels, name=line.file.name)
    sample = rowlib.caption(
        fields,
        origin,
        text=str(note).strip(),
        group=line.file.stem,
        id=line.file.stem,
        modality="scanning laser fundus",
    )
    yield Row(sample=sample, images=(image,))


def _arrays(line: Line) -> tuple[np.ndarray, np.ndarray]:
    """Picture and note. Pickled content is refused, because reading it would run code of the file."""
    try:
        with np.load(line.file, allow_pickle=False) as found:
            absent = {"slo_fundus", "note"} - set(found.files)
            if absent:
                raise line.error(min(absent), f"is missing; the file has: {', '.join(found.files)}")
            return found["slo_fundus"], found["note"]
    except (EOFError, OSError, ValueError, zipfile.BadZipFile, zlib.error) as fault:
        raise line.error("npz", f"cannot be read: {fault}") from None
