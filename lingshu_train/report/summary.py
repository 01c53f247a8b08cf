"""The table that ends a run on the terminal."""

from __future__ import annotations

from pathlib import Path

from lingshu_train.report import gains, gather
from lingshu_train.report import lines as told
from lingshu_train.report.gather import RunView
from lingshu_train.report.numbers import points
from lingshu_train.runs.results import Accuracy


def summary_table(run_folder: Path) -> str:
    """Held-out accuracy in percent per task after each stage, with 95 % intervals.

    A run that has not been evaluated yet gets one line per stage with its state.
    """
    view = gather.view(run_folder)
    tasks = gains.tasks(view)
    if not tasks:
        width = max((len(each.name) for each in view.stages), default=0)
        return "\n".join(f"{each.name:<{width}}  {each.state}" for each in view.stages)
    rows = [["accuracy, %", "n", "constant", *view.models]]
    rows += [
        [task.label, str(task.n), f"{100 * task.constant:.1f}", *(_cell(each) for each in task.measured)]
        for task in tasks
    ]
    lines = _aligned(rows)
    lines.insert(len(lines) - 1 if tasks[-1].overall else len(lines), "─" * len(lines[0]))
    for each in gains.changes(view)[-1:]:
        gain, low, high = (
            points(value) for value in (each.interval.value, each.interval.low, each.interval.high)
        )
        lines.append(f"{each.after} − {each.before}: {gain} points (95 % {low} to {high}, n = {each.n})")
    return "\n".join([*lines, *view.results.leaks, *_benchmarks(view)])


def _benchmarks(view: RunView) -> list[str]:
    """The table of `lingshu eval`, where benchmarks were measured."""
    measured = {
        name: [one for one in view.results.lines.get(name, ()) if not one.own] for name in view.models
    }
    shown = {name: found for name, found in measured.items() if found}
    return [told.table(shown, view.results.means)] if shown else []


def _cell(measured: Accuracy | None) -> str:
    if measured is None:
        return "–"
    return f"{100 * measured.accuracy:.1f} ({100 * measured.low:.0f}–{100 * measured.high:.0f})"


def _aligned(rows: list[list[str]]) -> list[str]:
    """First column to the left, numbers to the right."""
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    return [
        "  ".join(
            cell.ljust(width) if not place else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
