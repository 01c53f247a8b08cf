"""What a step decides of a row, and the table of all decisions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lingshu_train.data.corpus.corpus import RowNumbers
from lingshu_train.runs.files import replacing

Action = Literal["drop", "flag", "tag"]
"""The row goes; it stays and is pointed out; it stays and something is said of it."""
TEXTS = ("sample", "step", "action", "reason", "value", "evidence")


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What becomes of a row at a step: why, in the same words for all rows of which it is said, and the sample id or picture
    hash that shows it. `value` is what a tag says, or how near a copy is, as text."""

    row: int
    sample: str
    reason: str
    evidence: str = ""
    step: str = ""
    action: Action = "drop"
    value: str = ""


def rows_of(decisions: Sequence[Decision]) -> RowNumbers:
    """Numbers of the rows that go, in ascending order."""
    return np.unique(np.array([one.row for one in decisions if one.action == "drop"], np.uint32))


def write(path: Path, decisions: Sequence[Decision]) -> None:
    """The decisions as a Parquet table, one line each, in the order of the steps and of the rows at each."""
    columns = {
        "row": pa.array([one.row for one in decisions], pa.uint32()),
        **{name: pa.array([getattr(one, name) for one in decisions], pa.string()) for name in TEXTS},
    }
    with replacing(path) as beside:
        pq.write_table(pa.table(columns), beside)


def read(path: Path) -> tuple[Decision, ...]:
    """A table that `write` wrote."""
    return tuple(Decision(**line) for line in pq.read_table(path).to_pylist())
