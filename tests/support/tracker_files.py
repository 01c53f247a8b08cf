"""What each tracker's own package, or its own file format, says was sent to it."""

from __future__ import annotations

import json
import sqlite3
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Rows = list[tuple[int, dict[str, Any]]]
"""(step, values) of every row, in the order written: a step that stands twice is there twice."""

BLOCK, HEADER = 32768, 7
"""Of the LevelDB log format, in which wandb keeps its records, behind seven bytes of its own."""


def tensorboard(folder: Path) -> Rows:
    """Every event that TensorBoard itself would show."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(folder), size_guidance={"scalars": 0, "images": 0, "tensors": 0}).Reload()
    rows: dict[int, dict[str, Any]] = {}
    for tag in found.Tags()["scalars"]:
        for event in found.Scalars(tag):
            assert tag not in rows.setdefault(event.step, {}), f"step {event.step} of {tag} stands twice"
            rows[event.step][tag] = event.value
    for tag in found.Tags()["images"]:
        for event in found.Images(tag):
            rows[event.step][tag] = event.encoded_image_string
    for tag in found.Tags()["tensors"]:
        for event in found.Tensors(tag):
            rows[event.step][tag] = event.tensor_proto.string_val[0].decode()
    return sorted(rows.items())


def wandb(file: Path) -> Rows:
    """The history of a `.wandb` file."""
    from wandb.proto.wandb_internal_pb2 import Record

    rows = []
    for data in _records(file.read_bytes()):
        record = Record.FromString(data)
        if record.WhichOneof("record_type") == "history":
            items = record.history.item
            values = {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in items}
            rows.append((record.history.step.num, values))
    return rows


def wandb_texts(file: Path) -> str:
    """Everything in a `.wandb` file, whatever kind of record it stands in."""
    return b"\n".join(_records(file.read_bytes())).decode("utf-8", "replace")


def trackio(database: Path, run: str) -> Rows:
    """The rows of one run."""
    with sqlite3.connect(database) as connection:
        found = connection.execute(
            "SELECT step, metrics FROM metrics WHERE run_name = ? ORDER BY id", (run,)
        ).fetchall()
    return [(step, json.loads(values)) for step, values in found]


def _records(data: bytes) -> Iterator[bytes]:
    at, parts = HEADER, []
    while at + HEADER <= len(data):
        left = BLOCK - at % BLOCK
        if left < HEADER:
            at += left
            continue
        _, length, kind = struct.unpack_from("<IHB", data, at)
        if kind == 0:
            return
        parts.append(data[at + HEADER : at + HEADER + length])
        at += HEADER + length
        if kind in (1, 4):  # a whole record, or the last part of one
            yield b"".join(parts)
            parts = []
