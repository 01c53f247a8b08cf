"""What a card's sources serve: a folder for each, and the writers of the kinds of file that are published."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

Row = Mapping[str, object]


def picture(seed: int = 0, *, suffix: str = "jpg", side: int = 72) -> bytes:
    """A grey-level picture's file; another seed gives another picture."""
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, {"jpg": "JPEG", "jpeg": "JPEG", "png": "PNG", "gif": "GIF"}[suffix])
    return buffer.getvalue()


@dataclass(frozen=True)
class Tree:
    """The files of one source below `root`, by their path in it."""

    root: Path

    def bytes(self, path: str, data: bytes) -> None:
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)

    def text(self, path: str, text: str) -> None:
        self.bytes(path, text.encode())

    def json(self, path: str, content: object) -> None:
        self.text(path, json.dumps(content, ensure_ascii=False))

    def jsonl(self, path: str, rows: Sequence[Row]) -> None:
        self.text(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))

    def csv(self, path: str, rows: Sequence[Row], *, delimiter: str = ",") -> None:
        out = io.StringIO()
        writer = csv.DictWriter(out, list(rows[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)
        self.text(path, out.getvalue())

    def parquet(self, path: str, rows: Sequence[Row]) -> None:
        out = io.BytesIO()
        pq.write_table(pa.Table.from_pylist([dict(row) for row in rows]), out)
        self.bytes(path, out.getvalue())

    def picture(self, path: str, seed: int = 0) -> None:
        self.bytes(path, picture(seed, suffix=path.rpartition(".")[2].lower()))

    def zip(self, path: str, members: Mapping[str, bytes]) -> None:
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as archive:
            for name, data in members.items():
                archive.writestr(name, data)
        self.bytes(path, out.getvalue())


@dataclass(frozen=True)
class Served:
    """All that a card's data comes from, each source a folder of its own below `root`."""

    root: Path

    def hub(self, name: str) -> Tree:
        """A data set of the hub, by `owner/name`."""
        return Tree(self.root / "hub" / name.replace("/", "--"))

    def web(self, url: str, data: bytes) -> None:
        """A file at a web address."""
        Tree(self.root / "web").bytes(url.partition("://")[2], data)

    def physionet(self, project: str) -> Tree:
        """A project of PhysioNet, by `name/version`."""
        return Tree(self.root / "physionet" / project.replace("/", "--"))

    def by_hand(self) -> Tree:
        """The card's data folder as a person fills it who does what the card's `how_to_get` says, archives unpacked."""
        return Tree(self.root / "by_hand")

    def beside(self, folder: str) -> Tree:
        """The data folder of another card, which must be there too, by its name below the data root."""
        return Tree(self.root / "beside" / folder)
