"""A comparison as lines for a terminal, and as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from lingshu_train.comparison.apart import Apart
from lingshu_train.comparison.measure import Difference, Row, Spread
from lingshu_train.comparison.side_by_side import Comparison
from lingshu_train.report.numbers import points
from lingshu_train.runs.results import ALL, Accuracy

_MOST = 40
"""Keys of each part that the terminal shows; the page shows all."""
_WIDEST = 40
COLUMNS = (
    *("run", "recipe", "seed", "model", "task", "n", "right", "accuracy", "low", "high", "constant"),
    *("difference", "difference_low", "difference_high", "paired"),
)


def text(found: Comparison) -> str:
    """Runs, accuracies and differences to the first, and what else is not the same."""
    lines = _runs(found)
    if len(found.tables) > 1:
        lines += ["", "all tasks, by model", *_measured(found, found.overall)]
    lines += ["", f"model {found.tables[-1].model}, by task", *_measured(found, found.tables[-1].rows)]
    if len(found.runs) > 1:
        lines += ["", *_notes(found), *apart(found.labels, found.apart)]
    return "\n".join(lines)


def table(found: Comparison) -> str:
    """CSV: a line for each run, model and task, with numbers as shares from 0 to 1."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for each in found.tables:
        for row in each.rows:
            for run, measured, apart in zip(found.runs, row.measured, row.differences, strict=True):
                if measured:
                    head = (run.folder, run.recipe, run.seed, each.model, row.name)
                    writer.writerow((*head, *_numbers(measured), *_bounds(apart)))
    return out.getvalue()


def label(row: Row) -> str:
    """The name of a row as people read it."""
    return "all tasks" if row.name == ALL else row.name


def accuracy(measured: Accuracy | None) -> str:
    return "–" if measured is None else f"{100 * measured.accuracy:.1f}"


def difference(apart: Difference | None) -> str:
    """In points with its interval; `*` where that excludes no change, `~` where it is not paired."""
    if apart is None:
        return "–"
    one = apart.interval
    marks = ("*" if one.excludes_zero else "") + ("" if apart.paired else "~")
    return f"{points(one.value)} ({points(one.low)} to {points(one.high)}){marks}"


def spread(found: Spread | None) -> str:
    if found is None:
        return "–"
    return f"{100 * found.mean:.1f} ± {100 * found.deviation:.1f} ({100 * found.least:.1f} to {100 * found.most:.1f})"


def _runs(found: Comparison) -> list[str]:
    rows = [
        [name, str(run.folder), f"{run.recipe}, seed {run.seed or 'unknown'}"]
        for name, run in zip(found.labels, found.runs, strict=True)
    ]
    rows += [["–", str(one.folder), f"left out: {one.fault}"] for one in found.left_out]
    return _aligned(rows, left=3)


def _measured(found: Comparison, rows: Sequence[Row]) -> list[str]:
    first, *others = found.labels
    heads = ["accuracy, %", "n", *found.labels, *(f"{group}: mean ± sd" for group in found.groups)]
    heads += [f"{name} − {first}" for name in others]
    body = [
        [
            label(row),
            "/".join(dict.fromkeys(str(one.n) for one in row.measured if one)),
            *map(accuracy, row.measured),
            *map(spread, row.spreads),
            *map(difference, row.differences[1:]),
        ]
        for row in rows
    ]
    return _aligned([heads, *body], left=1)


def _notes(found: Comparison) -> list[str]:
    lines = ["differences in points with their 95 % interval; * the interval excludes no change"]
    if found.unpaired:
        lines.append(
            "~ not the same questions as the first run answered: taken as two samples, which is less sharp"
        )
    if found.groups:
        lines.append("sd: over runs that differ in seed alone")
    return lines


def apart(
    labels: Sequence[str], parts: Sequence[Apart], *, more: str = "all of them with --html"
) -> list[str]:
    """What is not the same in some runs, part by part."""
    lines: list[str] = []
    for part in parts:
        if not part.rows:
            lines += ["", f"{part.title}: the same"]
            continue
        rows = [["", *labels], *([key, *map(_short, told)] for key, told in part.rows[:_MOST])]
        lines += ["", f"{part.title}: what differs", *_aligned(rows, left=len(rows[0]))]
        if len(part.rows) > _MOST:
            lines.append(f"... and {len(part.rows) - _MOST} more, {more}")
    return lines


def _short(told: str) -> str:
    return told if len(told) <= _WIDEST else told[: _WIDEST - 3] + "..."


def _aligned(rows: Sequence[Sequence[str]], *, left: int) -> list[str]:
    """Columns under one another, the first `left` of them to the left."""
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    return [
        "  ".join(
            cell.ljust(width) if place < left else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _numbers(one: Accuracy) -> tuple[float, ...]:
    return one.n, one.right, one.accuracy, one.low, one.high, one.constant


def _bounds(apart: Difference | None) -> tuple[object, ...]:
    if apart is None:
        return "", "", "", ""
    return apart.interval.value, apart.interval.low, apart.interval.high, "yes" if apart.paired else "no"
