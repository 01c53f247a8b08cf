"""What became of each row that went through a pipeline: a line of `made.parquet`, and the counts of all of them."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypedDict

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import JsonValue

from lingshu_train.runs.funnel import Passed
from lingshu_train.synthesize._desk import Notes
from lingshu_train.synthesize._row import Made, Row

NAME = "made.parquet"
_TOGETHER = 2_000

_SCHEMA = pa.schema(
    [
        ("row", pa.int64()),
        ("parents", pa.list_(pa.string())),
        ("card", pa.string()),
        ("made", pa.list_(pa.string())),
        ("status", pa.string()),
        ("check", pa.string()),
        ("reason", pa.string()),
        ("checks", pa.string()),
        ("pipeline", pa.string()),
        ("prompts", pa.string()),
        ("teacher", pa.string()),
        ("revision", pa.string()),
        ("served_as", pa.string()),
        ("requests", pa.list_(pa.string())),
        ("tokens_in", pa.int64()),
        ("tokens_out", pa.int64()),
        ("money", pa.float64()),
        ("about", pa.string()),
    ]
)


class Line(TypedDict):
    """A line of the table: see docs/synthesis.md."""

    row: int
    parents: list[str]
    card: str
    made: list[str]
    status: str
    check: str
    reason: str
    checks: str
    pipeline: str
    prompts: str
    teacher: str
    revision: str
    served_as: str
    requests: list[str]
    tokens_in: int
    tokens_out: int
    money: float
    about: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Came:
    """What came of a row: what was made, or the check that it was dropped at and why. `unanswered`: nobody said anything."""

    row: Row
    notes: Notes
    made: tuple[Made, ...] = ()
    check: str = ""
    reason: str = ""
    unanswered: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """The same for all rows of a stage."""

    pipeline: str
    prompts: str
    teacher: str
    revision: str


@dataclass(slots=True)
class Tally:
    """Counts of what came of rows, checks in the order in which they were first met."""

    rows: int = 0
    kept: int = 0
    made: int = 0
    calls: int = 0
    refused: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    money: float = 0.0
    came: dict[str, int] = field(default_factory=dict)
    passed: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)
    handed_back: int = 0
    dropped_by: Counter[str] = field(default_factory=Counter)

    def add(self, one: Came) -> None:
        self.rows += 1
        self.kept += bool(one.made)
        self.made += len(one.made)
        for _, reply in one.notes.replies:
            self.calls += 1
            self.refused += reply.refused
            self.tokens_in += reply.tokens_in
            self.tokens_out += reply.tokens_out
            self.money += reply.money
        results: dict[str, bool] = {}
        for check in one.notes.checks:
            results[check.name] = results.get(check.name, True) and check.passed
            self.handed_back += check.detail.startswith("handed back")
        for name, passed in results.items():
            self.came[name] = self.came.get(name, 0) + 1
            self.passed[name] += passed
        if one.check:
            self.dropped_by[one.check] += 1

    def checks(self) -> dict[str, JsonValue]:
        """Of each check: rows that came to it, that passed, and the share."""
        return {
            name: {"rows": rows, "passed": self.passed[name], "share": self.passed[name] / rows}
            for name, rows in self.came.items()
        }

    def funnel(self) -> list[Passed]:
        """The same for the report: a check that drops nothing only flags."""
        return [
            Passed(
                step=name,
                rows=rows,
                dropped=self.dropped_by[name],
                flagged=rows - self.passed[name] - self.dropped_by[name],
                tagged=0,
            )
            for name, rows in self.came.items()
        ]


class Table:
    """Writes the lines in order, some thousand at a time."""

    def __init__(self, path: Path, origin: Origin) -> None:
        self._origin, self._lines = origin, list[Line]()
        self._writer = pq.ParquetWriter(path, _SCHEMA)

    def add(self, one: Came, made: list[str]) -> None:
        replies = [reply for _, reply in one.notes.replies]
        self._lines.append(
            {
                "row": one.row.number,
                "parents": [each.id for each in one.row.beside],
                "card": one.row.sample.card,
                "made": made,
                "status": "made" if made else "dropped",
                "check": one.check,
                "reason": one.reason,
                "checks": json.dumps(
                    [[each.name, each.passed, each.detail] for each in one.notes.checks], ensure_ascii=False
                ),
                "pipeline": self._origin.pipeline,
                "prompts": self._origin.prompts,
                "teacher": self._origin.teacher,
                "revision": self._origin.revision,
                "served_as": replies[0].model if replies else "",
                "requests": list(one.notes.asked),
                "tokens_in": sum(each.tokens_in for each in replies),
                "tokens_out": sum(each.tokens_out for each in replies),
                "money": sum(each.money for each in replies),
                "about": json.dumps([each.about for each in one.made], ensure_ascii=False),
            }
        )
        if len(self._lines) >= _TOGETHER:
            self._flush()

    def close(self) -> None:
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        if self._lines:
            self._writer.write_table(pa.Table.from_pylist(list(self._lines), schema=_SCHEMA))
        self._lines = []
