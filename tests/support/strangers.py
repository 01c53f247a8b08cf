"""A stranger's files, as people really have them: a table and pictures, in every shape in which data is kept."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

Row = Mapping[str, Any]
QUESTIONS = ("Is the heart enlarged?", "Which side shows the lesion?", "How many spots are there?")
ANSWERS = ("yes", "left lower lobe", "2")


def picture(path: Path, seed: int) -> Path:
    """A small grey PNG of its own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 255, (32, 40), dtype=np.uint8)
    Image.fromarray(pixels).save(path, "PNG")
    return path


def png(seed: int) -> bytes:
    buffer = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 255, (32, 40), dtype=np.uint8)
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def rows(count: int = 30, *, names: str = "img/x{}.png") -> list[dict[str, Any]]:
    """Rows of image, question, answer and patient: three pictures a patient."""
    return [
        {
            "image": names.format(n),
            "question": QUESTIONS[n % 3],
            "answer": ANSWERS[n % 3],
            "patient_id": f"P{n // 3}",
        }
        for n in range(count)
    ]


def pictures(folder: Path, table: Sequence[Row], *, column: str = "image", behind: str = "") -> None:
    """The pictures that a table names, below a folder."""
    for number, row in enumerate(table):
        picture(folder / (str(row[column]).replace("\\", "/") + behind), number)


def write_csv(
    path: Path, table: Sequence[Row], *, delimiter: str = ",", encoding: str = "utf-8", first: str = ""
) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(table[0]), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(table)
    path.write_bytes((first + text.getvalue()).encode(encoding))
    return path


def write_json(path: Path, table: Sequence[Row]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = path.suffix == ".jsonl"
    path.write_text("\n".join(map(json.dumps, table)) if lines else json.dumps(table), encoding="utf-8")
    return path


def renamed(table: Sequence[Row], **names: str) -> list[dict[str, Any]]:
    return [{names.get(key, key): value for key, value in row.items()} for row in table]
