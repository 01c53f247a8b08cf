"""Trackers beside a stage, and what each holds: as its own package reads it, or from its own file format."""

from __future__ import annotations

import json
import os
import sqlite3
import struct
from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from lingshu_train.running import followers
from lingshu_train.runs import tracked
from lingshu_train.runs.stage import Stage
from lingshu_train.trackers._choice import Chosen

PLUGINS = Path(__file__).parent / "plugins"
OURS = ("tensorboard", "trackio", "wandb")

Rows = list[tuple[int, dict[str, Any]]]
"""(step, values) of every row, in the order written: a step that stands twice is there twice."""

BLOCK, HEADER = 32768, 7
"""Of the LevelDB log format, in which wandb keeps its records, behind seven bytes of its own."""


class Beside:
    """Starts followers of a stage in a home of their own, so that no login of the machine's user takes part.

    `said` is what the launcher told the user.
    """

    def __init__(self, home: Path) -> None:
        self._environment = {**os.environ, "HOME": str(home)}
        for name in ("WANDB_API_KEY", "WANDB_MODE", "NETRC"):
            self._environment.pop(name, None)
        self.said: list[str] = []

    def __call__(
        self, stage: Stage, *chosen: Chosen, cards: Collection[str] = ("package_pydicom",), **variables: str
    ) -> AbstractContextManager[None]:
        environment = self._environment | variables
        return followers.beside(stage, chosen, cards=cards, environment=environment, say=self.said.append)


def rows(stage: Stage, name: str) -> Rows:
    """What one of our trackers holds of a stage."""
    folder = stage.path.parent / "trackers"
    if name == "tensorboard":
        return tensorboard(folder / name / stage.path.name)
    state = tracked.read(stage.path, name)
    assert state is not None
    if name == "trackio":
        return trackio(folder / name / "lingshu-train.db", state.run)
    (file,) = (folder / name).glob(f"offline-run-*/run-{state.run}.wandb")
    return wandb(file)


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
