"""FairVLMed: `Training/data_00001.npz` and so on, each with a scanning-laser fundus picture and its note."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterator

import numpy as np
from PIL import Image

from lingshu_train.data import row as rowlib
from lingshu_train.data import tables
from lingshu_train.data.row import Origin, Picture, Row
from lingshu_train.data.tables import Line
from lingshu_train.record import Sample


class Fields(rowlib.SplitFiles):
    """`prompt` asks for the note. The attributes (age, race and so on) are not read."""

    prompt: str = "Write the clinical note that goes with this scanning laser fundus image."


def lines(fields: Fields, origin: Origin) -> Iterator[Line]:
    yield from tables.files(origin.root, fields.files[origin.split])


def rows(line: Line, fields: Fields, origin: Origin) -> Iterator[Row]:
    pixels, note = _arrays(line)
    if pixels.dtype != np.uint8 or pixels.ndim != 2:
        raise line.error("slo_fundus", f"must be grey values of 8 bits, got {pixels.dtype} of {pixels.shape}")
    if note.dtype.kind != "U" or not str(note).strip():
        raise line.error("note", "must be a text that is not empty")
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, format="PNG")
    sample = Sample(
        id=line.file.stem,
        card=origin.card,
        split=origin.split,
        task="caption",
        question=fields.prompt,
        question_type="free",
        answer=str(note).strip(),
        group=line.file.stem,
        modality="scanning laser fundus",
    )
    yield Row(sample=sample, images=(Picture(name=line.file.name, data=stream.getvalue()),))


def _arrays(line: Line) -> tuple[np.ndarray, np.ndarray]:
    """Picture and note. Pickled content is refused, because reading it would run code of the file."""
    try:
        with np.load(line.file, allow_pickle=False) as arrays:
            absent = {"slo_fundus", "note"} - set(arrays.files)
            if absent:
                raise line.error(min(absent), f"is missing; the file has: {', '.join(arrays.files)}")
            return arrays["slo_fundus"], arrays["note"]
    except (EOFError, OSError, ValueError, zipfile.BadZipFile, zlib.error) as fault:
        raise line.error("npz", f"cannot be read: {fault}") from None
