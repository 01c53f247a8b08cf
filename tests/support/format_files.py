"""Writes data sets in their publishers' layouts, and reads them back through a card."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pyarrow as arrow
import pyarrow.parquet as parquet
from PIL import Image, ImageDraw

from lingshu_train.data.cards.card import Card, Licence, Lingshu, Source
from lingshu_train.data.rows import reading
from lingshu_train.data.rows.row import Picture, Row
from lingshu_train.verify import gold_problem


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


def content(picture: Picture) -> bytes:
    """The undecoded file of a row's picture."""
    return picture.data or (picture.path or Path()).read_bytes()


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


def told(rows: list[Row]) -> list[tuple[str, str, str]]:
    """Task, what is asked about, and the answer in words, of every row but those about the modality."""
    found = []
    for row in rows:
        sample = row.sample
        assert gold_problem(sample) is None, sample
        if sample.task != "template_modality":
            about = sample.question.rpartition(": ")[2].rstrip("?.") if ": " in sample.question else ""
            answer = sample.options[sample.answer] if sample.options else sample.answer
            found.append((sample.task.removeprefix("template_"), about, answer))
    return found


def nifti(path: Path, data: np.ndarray, *, flip: bool = False) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    affine = np.diag([-1.0 if flip else 1.0, 1.0, 3.0, 1.0])
    nibabel.save(nibabel.Nifti1Image(data, affine), path)
