"""Writes data sets in their publishers' layouts, and reads them back through a card."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as arrow
import pyarrow.parquet as parquet
from PIL import Image, ImageDraw

from lingshu_train.data import reading
from lingshu_train.data.card import Card, Licence, Lingshu, Source
from lingshu_train.data.row import Row


def card_of(format: str, fields: Mapping[str, Any]) -> Card:
    block = Lingshu(
        source=Source(kind="hub", name="a/b"),
        access="open",
        licence=Licence(id="MIT"),
        format=format,
        fields=dict(fields),
    )
    return Card(name="made", lingshu=block, hub={}, body="")


def read(format: str, root: Path, fields: Mapping[str, Any], *, split: str = "train") -> list[Row]:
    return list(reading.open(card_of(format, fields), root, split=split))


def png(shade: int) -> bytes:
    """A small picture with a disc of a given grey."""
    image = Image.new("L", (40, 30), 10)
    ImageDraw.Draw(image).ellipse((10, 5, 30, 25), fill=shade)
    stream = io.BytesIO()
    image.save(stream, format="PNG")
    return stream.getvalue()


def put(path: Path, content: bytes | str | list[Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False, indent=1)
        path.write_text(text, encoding="utf-8")
    return path


def put_csv(path: Path, rows: Sequence[Sequence[str]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows(rows)
    return path


def put_parquet(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(arrow.Table.from_pylist(rows), path)
    return path
