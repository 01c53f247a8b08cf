"""The comparison of some runs, put together once for the terminal, the page and the CSV file."""

from __future__ import annotations

import string
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lingshu_train.comparison import apart, gather, measure
from lingshu_train.comparison.apart import Apart
from lingshu_train.comparison.gather import Contender
from lingshu_train.comparison.measure import Row, Table
from lingshu_train.errors import LingshuError, UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A run that cannot be compared, and why: its folder and the fault, which has the exit code."""

    folder: Path
    fault: LingshuError


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """`labels` stand for the runs in tables: A, B, C. `overall` has a row a model, `tables` a table a model, by task. `groups`
    name the runs that differ in seed alone: "A B C"."""

    labels: tuple[str, ...]
    runs: tuple[Contender, ...]
    left_out: tuple[LeftOut, ...]
    overall: tuple[Row, ...]
    tables: tuple[Table, ...]
    groups: tuple[str, ...]
    apart: tuple[Apart, ...]

    @property
    def exit_code(self) -> int:
        """0, or that of the first run which cannot be compared."""
        return self.left_out[0].fault.exit_code if self.left_out else 0

    @property
    def unpaired(self) -> bool:
        """Whether some runs answered other questions than the first."""
        rows = (row for table in self.tables for row in table.rows)
        return any(one is not None and not one.paired for row in rows for one in row.differences)


def compare(folders: Sequence[Path], *, model: str = "") -> Comparison:
    """Read and measure. UsageError (64): fewer than two runs are named; the fault of the first where none can be read."""
    if len(folders) < 2:
        raise UsageError("compare: names two runs or more, the first of which the others are compared with")
    found: list[Contender] = []
    left_out: list[LeftOut] = []
    for folder in folders:
        try:
            found.append(gather.read(folder))
        except LingshuError as fault:
            left_out.append(LeftOut(folder=folder, fault=fault))
    if not found:
        raise left_out[0].fault
    labels = _labels(len(found))
    tables = measure.tables(found, model=model)
    return Comparison(
        labels=labels,
        runs=tuple(found),
        left_out=tuple(left_out),
        overall=tuple(measure.overall(tables)),
        tables=tuple(tables),
        groups=tuple(" ".join(labels[place] for place in group) for group in measure.seeds(found)),
        apart=tuple(apart.apart(found)),
    )


def _labels(count: int) -> tuple[str, ...]:
    letters = string.ascii_uppercase
    return (
        tuple(letters[:count])
        if count <= len(letters)
        else tuple(f"R{place}" for place in range(1, count + 1))
    )
