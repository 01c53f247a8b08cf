"""A prepared corpus as its files have it: Arrow rows, and pictures inside tar files."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from PIL import Image


@dataclass(frozen=True)
class Row:
    """An Arrow row as plain data, with its pictures opened."""

    data: dict[str, Any]
    pictures: Sequence[Image.Image]


def read(corpus: Path, *, split: str) -> list[Row]:
    """All rows of a split, in the order in which they are stored."""
    found = []
    for path in sorted(corpus.glob("rows-*.arrow")):
        for data in pa.ipc.open_file(path).read_all().to_pylist():
            if data["split"] == split:
                found.append(Row(data, [_opened(corpus, place) for place in data["images"]]))
    return found


def _opened(corpus: Path, place: dict[str, Any]) -> Image.Image:
    with (corpus / f"images-{place['shard']:05d}.tar").open("rb") as stream:
        stream.seek(place["offset"])
        return Image.open(io.BytesIO(stream.read(place["size"]))).convert("RGB")
