"""drill.html: the scoreboard for people, ours and the plain scripts' side by side. Needs no network and no other file."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import FileSystemLoader

from lingshu_train.drill.record import KINDS, Drill, Row
from lingshu_train.report import page as report
from lingshu_train.runs.files import write_text

NAME = "drill.html"
_NO_SCRIPT = "'none'"
"""The page has none, and its policy lets none run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Rows of one fault, stage and number of ranks: a fault that was done often is one line. `stock`: the plain scripts' rows
    of the same name."""

    row: Row
    counts: tuple[tuple[str, int], ...]
    seconds: float
    lost: int | None
    stock: tuple[Row, ...]


def write(folder: Path, drill: Drill) -> Path:
    path = folder / NAME
    write_text(path, text(drill))
    return path


def text(drill: Drill) -> str:
    found = report.templates()
    found.loader = FileSystemLoader([Path(__file__).parent / "templates", report.TEMPLATES])
    return found.get_template("drill.html.j2").render(
        drill=drill,
        groups=groups(drill),
        totals=totals(drill.rows),
        stock_totals=totals(drill.stock),
        script_hash=_NO_SCRIPT.strip("'"),
        written=time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
    )


def totals(rows: Sequence[Row]) -> list[tuple[str, int]]:
    """How many rows ended how, worst kinds last."""
    counted = Counter(row.kind for row in rows)
    return [(kind, counted[kind]) for kind in KINDS if counted[kind] or kind != "skipped"] if rows else []


def groups(drill: Drill) -> list[Group]:
    """In the order in which they were done; of several times the one that ended worst speaks for all."""
    together: dict[tuple[str, str, int], list[Row]] = {}
    for row in drill.rows:
        together.setdefault((row.fault, row.stage, row.ranks), []).append(row)
    return [
        Group(
            row=max(same, key=lambda row: KINDS.index(row.kind)),
            counts=tuple(Counter(row.kind for row in same).items()),
            seconds=sorted(row.seconds for row in same)[len(same) // 2],
            lost=max((row.lost for row in same if row.lost is not None), default=None),
            stock=tuple(
                row for row in drill.stock if row.fault == name and _alike(row.stage, stage) and ranks == 1
            ),
        )
        for (name, stage, ranks), same in together.items()
    ]


def _alike(script: str, stage: str) -> bool:
    """Whether a plain script does what one of our stages does."""
    return (script == "GRPOTrainer") == (stage == "rl")
