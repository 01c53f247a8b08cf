"""Pass rates row by row: a journal while they are measured, a table when they are done."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from lingshu_train.errors import DataError
from lingshu_train.runs.files import failure, replacing

NAME = "pass_rates.parquet"
JOURNAL = "answers.jsonl"
"""Below the stage's folder until the table is written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """Of a row of the whole corpus: how many answers were drawn to it, right, and at the limit of their length."""

    row: int
    id: str
    asked: int
    right: int
    truncated: int

    @property
    def rate(self) -> float:
        """The share that was right."""
        return self.right / self.asked


class Journal:
    """Rates that were measured before a kill; a torn last line is dropped."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / JOURNAL
        self.known: dict[int, Rate] = {}
        try:
            data = self._path.read_bytes() if self._path.is_file() else b""
            whole = data[: data.rfind(b"\n") + 1]
            if whole != data:
                with replacing(self._path) as beside:
                    beside.write_bytes(whole)
        except OSError as fault:
            raise failure(self._path, fault) from None
        for number, line in enumerate(whole.splitlines(), 1):
            try:
                found = Rate(**json.loads(line))
            except (ValueError, TypeError):
                raise DataError(
                    f"{self._path}:{number}: not a line of this stage; move the file away to ask all questions again"
                ) from None
            self.known[found.row] = found

    def add(self, rates: Sequence[Rate]) -> None:
        """Keep them on disk. OutputFailed (74): the disk is full."""
        lines = "".join(json.dumps(asdict(one), ensure_ascii=False) + "\n" for one in rates)
        try:
            with self._path.open("ab") as stream:
                stream.write(lines.encode())
                stream.flush()
                os.fsync(stream.fileno())
        except OSError as fault:
            raise failure(self._path, fault) from None
        self.known |= {one.row: one for one in rates}

    def remove(self) -> None:
        self._path.unlink(missing_ok=True)


def write(path: Path, rates: Mapping[int, Rate]) -> None:
    """The table, in the order of rows: row, id, asked, right, truncated, rate."""
    ordered = [rates[row] for row in sorted(rates)]
    table = pa.Table.from_pylist([{**asdict(one), "rate": one.rate} for one in ordered])
    with replacing(path) as beside:
        pq.write_table(table, beside)


def read(path: Path) -> dict[int, float]:
    """The pass rate of each row of the whole corpus that was asked."""
    table = pq.read_table(path, columns=["row", "rate"])
    return dict(zip(table["row"].to_pylist(), table["rate"].to_pylist(), strict=True))
