"""Captions of web pictures: rows with an address and a caption, pictures fetched beforehand (PixMo-Cap).

The picture of an address is the file named by the sha256 of the address, in hexadecimal and without a suffix.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Literal

from lingshu_train.data.rows import published
from lingshu_train.data.rows import row as rowlib
from lingshu_train.data.rows.line import Line
from lingshu_train.data.rows.row import Origin, Picture, Row, Skipped


class Fields(rowlib.Captions):
    """Names of columns."""

    images: str = "images"
    """Folder of the fetched pictures."""
    address: str = "image_url"
    """Column of the picture's address."""
    caption: str = "caption"
    """Column of the caption."""
    missing: Literal["refuse", "skip"] = "refuse"
    """What becomes of a row whose picture was not fetched: `refuse` counts it as a bad row; `skip` is for sets whose
    addresses die: such rows are left out and counted apart, and do not count against `most_refused`."""

    def columns(self) -> dict[str, rowlib.Content]:
        return {self.address: "text", self.caption: "text"}


lines = published.table_lines


def rows(line: Line, fields: Fields, origin: Origin) -> Iterator[Row | Skipped]:
    address, caption = line.text(fields.address), line.text(fields.caption)
    name = file_name(address)
    image = Picture(name=address, path=origin.root / fields.images / name)
    if not image.exists():
        if fields.missing == "skip":
            yield Skipped("no picture")
            return
        raise line.error(fields.address, f"the picture of {address} was not fetched to {image.path}")
    sample = rowlib.caption(fields, origin, text=caption, group=name)
    yield Row(sample=sample, images=(image,))


def file_name(address: str) -> str:
    """The name under which the picture of a web address lies in the card's folder."""
    return hashlib.sha256(address.encode()).hexdigest()
