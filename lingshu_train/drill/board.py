"""The scoreboard as text: one line a fault, and what it comes to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from lingshu_train.drill.record import KINDS, Drill, Row

HEAD = f"{'fault':26} {'':4} {'stage':11} {'ranks':5} {'end':8} {'code':>4} {'again':>5} {'s':>6} {'lost':>4}  last line"


def line(row: Row) -> str:
    """One row. What is not handled says why instead of its last line."""
    said = row.line if row.kind == "handled" else f"{row.why}{f' | {row.line}' if row.line else ''}"
    return (
        f"{row.fault:26} {row.number:4} {row.stage:11} {row.ranks:<5} {row.kind:8} {_or(row.code):>4} {_or(row.again):>5} "
        f"{row.seconds:6.1f} {_or(row.lost):>4}  {said}".rstrip()
    )


def closing(drill: Drill, page: Path) -> str:
    """What it came to, ours and the plain scripts'."""
    stock = [f"plain scripts: {total(drill.stock)}"] if drill.stock else []
    return "\n".join([total(drill.rows), *stock, f"page: {page}"])


def total(rows: Sequence[Row]) -> str:
    counted = Counter(row.kind for row in rows)
    return f"{len(rows)} faults: " + ", ".join(
        f"{counted[kind]} {kind}" for kind in KINDS if counted[kind] or kind != "skipped"
    )


def _or(number: int | None) -> str:
    return "-" if number is None else str(number)
