"""FairVLMed: `Training/data_00001.npz` and so on, each with a scanning-laser fundus picture and its note."""

from __future__ import annotations

from collections.abc import Iterator

from lingshu_train.data.rows import arrays, published
from lingshu_train.data.rows import row as rowlib
from lingshu_train.data.rows.line import Line
from lingshu_train.data.rows.row import Origin, Row


class Fields(rowlib.Captions):
    """The attributes (age, race and so on) are not read."""

    prompt: str = "Write the clinical note that goes with this scanning laser fundus image."
    """The text that asks for the note."""


lines = published.file_lines


def rows(line: Line, fields: Fields, origin: Origin) -> Iterator[Row]:
    with line.naming("npz"):
        pixels, written = arrays.members(line.file, ("slo_fundus", "note"))
    with line.naming("note"):
        note = " ".join(arrays.texts(line.file, written)).strip()
    if not note:
        raise line.error("note", "must not be empty")
    image = arrays.picture(line, pixels, name=line.file.name)
    sample = rowlib.caption(
        fields,
        origin,
        text=note,
        group=line.file.stem,
        id=line.file.stem,
        modality="scanning laser fundus",
    )
    yield Row(sample=sample, images=(image,))
