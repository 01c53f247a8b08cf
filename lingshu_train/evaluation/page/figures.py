"""Benchmarks as rows of a table: each model's share with its interval and floors, the paper's row beside, means below."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lingshu_train.evaluation.benchmarks import published, showing, suite
from lingshu_train.evaluation.page.model import Model
from lingshu_train.metrics._intervals import Interval, wilson
from lingshu_train.runs.lines import Line

_TITLES = {
    "medical_vqa": "Medical questions about pictures",
    "text": "Medical questions in text",
    "reports": "Reports",
}
_OTHERS = "Other benchmarks"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A benchmark: a line a model, None where one has none; what the paper printed, in percent, model by model."""

    title: str
    cells: tuple[Line | None, ...]
    printed: tuple[float | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Benchmarks under one heading. `means`: of all of them, None where one is missing; `printed_means` of the paper."""

    title: str
    rows: tuple[Row, ...]
    means: tuple[float | None, ...] = ()
    printed_means: tuple[float | None, ...] = ()

    @property
    def mean_of(self) -> str:
        """What the last row is called; empty where there is none."""
        shown = any(one is not None for one in self.means)
        return f"mean of {len(self.rows)}" if shown else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One value of a breakdown: an interval a model, None where it has none there."""

    name: str
    n: int
    cells: tuple[Interval | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Breakdown:
    """One benchmark by one field."""

    title: str
    field: str
    parts: tuple[Part, ...]


def groups(models: Sequence[Model]) -> list[Group]:
    """The paper's groups in its order, then what belongs to none; of each what was measured."""
    names = list(dict.fromkeys(line.name for one in models for line in one.lines))
    found = []
    for group, members in suite.groups().items():
        here = [name for name in members if name in names]
        if here:
            found.append(_group(group, here, models))
    placed = {name for members in suite.groups().values() for name in members}
    others = [name for name in names if name not in placed]
    if others:
        found.append(Group(title=_OTHERS, rows=tuple(_row(name, models, reports=False) for name in others)))
    return found


def _group(group: str, names: Sequence[str], models: Sequence[Model]) -> Group:
    rows = tuple(_row(name, models, reports=group == "reports") for name in names)
    if group == "reports":
        return Group(title=_TITLES[group], rows=rows)
    printed = published.rows().models.values()
    return Group(
        title=_TITLES[group],
        rows=rows,
        means=tuple(showing.mean(one.lines, group) for one in models),
        printed_means=tuple(one.means.get(group) for one in printed),
    )


def _row(name: str, models: Sequence[Model], *, reports: bool) -> Row:
    cells = tuple(one.line(name) for one in models)
    title = next(cell.title for cell in cells if cell)
    printed = published.rows().models.values()
    values = tuple((one.rouge_l if reports else one.accuracy).get(name) for one in printed)
    return Row(title=title, cells=cells, printed=values)


def breakdowns(models: Sequence[Model]) -> Iterator[Breakdown]:
    """Of every benchmark by every field that has more than one value."""
    for name in dict.fromkeys(line.name for one in models for line in one.lines):
        lines = [one.line(name) for one in models]
        title = next(line.title for line in lines if line)
        for by in dict.fromkeys(key for line in lines if line for key in line.breakdown):
            values = dict.fromkeys(value for line in lines if line for value in line.breakdown.get(by, ()))
            parts = tuple(_part(value, by, lines) for value in values)
            yield Breakdown(title=title, field=by.replace("_", " "), parts=parts)


def _part(value: str, by: str, lines: Sequence[Line | None]) -> Part:
    cells = [_interval(line, by, value) for line in lines]
    n = next(found[0] for found in cells if found)
    return Part(name=value or "not stated", n=n, cells=tuple(found and found[1] for found in cells))


def _interval(line: Line | None, by: str, value: str) -> tuple[int, Interval] | None:
    found = line.breakdown.get(by, {}).get(value) if line else None
    if found is None:
        return None
    return found.n, wilson(round(found.lenient * found.n), found.n)
