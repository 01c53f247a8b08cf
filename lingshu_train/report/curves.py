"""Line charts: raw points faint, their centred moving mean on top, both axes labelled. Here is the geometry; the SVG is
`templates/chart.html.j2`."""

from __future__ import annotations

import base64
import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass

from lingshu_train.report.numbers import tick

WIDTH, HEIGHT = 350, 225
RIGHT, TOP, BOTTOM = 12, 8, 42
TITLE, GAP, DIGIT = 20, 9, 6.3
"""Pixels from the left: the axis title, what stands between tick labels and the line, a character of a label."""
MOST_POINTS = 400
MOST_ROWS = 1_000
"""Rows of the table that goes with a chart."""
FEW = 25
"""Up to so many points are drawn as points too."""
COLOURS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One line, named where it needs a name. Points that are not finite are left out of the drawing."""

    name: str
    xs: tuple[float, ...]
    ys: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """A linear scale from data to pixels, and where its labels stand."""

    low: float
    high: float
    start: float
    end: float
    values: tuple[float, ...] = ()

    @property
    def broken(self) -> bool:
        """Whether the axis leaves out zero, which has to be seen."""
        return self.low > 0

    def __call__(self, value: float) -> float:
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)

    @property
    def ticks(self) -> list[tuple[float, str]]:
        """Pixel and label of each value within the axis."""
        return [(self(value), tick(value)) for value in self.values if self.low <= value <= self.high]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A series in pixels, in one of the colours; `tip` says where it begins and ends. `marks`: its points are few enough to
    be seen each."""

    colour: int
    smooth: bool
    points: tuple[tuple[float, float], ...]
    tip: str
    marks: bool = False

    @property
    def path(self) -> str:
        return " ".join(f"{x:.1f},{y:.1f}" for x, y in self.points)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """A chart, ready to be drawn. `legend` is empty where a line stands alone under its own title.

    `table` is the address of its values as CSV, the raw ones: a column x, then one a series. `every` is 1, or says that the
    table has every so-manieth row alone.
    """

    title: str
    x_label: str
    y_label: str
    x: Axis
    y: Axis
    lines: tuple[Line, ...]
    legend: tuple[str, ...]
    table: str
    every: int
    width: int = WIDTH
    height: int = HEIGHT


def chart(
    title: str, series: Sequence[Series], *, x_label: str, y_label: str, zero: bool = True
) -> Drawing | None:
    """One chart; None where no series has a finite point. Five colours, so five lines. `zero`: the y axis has it."""
    series = [clean for each in series if (clean := _finite(each)).xs]
    if not series:
        return None
    xs = [x for each in series for x in each.xs]
    ys = [y for each in series for y in each.ys] + ([0.0] if zero else [])
    x_ticks, y_ticks = ticks(min(xs), max(xs), most=5, whole=True), ticks(min(ys), max(ys), most=5)
    left = TITLE + GAP + DIGIT * max(len(tick(value)) for value in y_ticks)
    x = Axis(low=min(xs), high=max(*xs, min(xs) + 1), start=left, end=WIDTH - RIGHT, values=tuple(x_ticks))
    y = Axis(low=y_ticks[0], high=y_ticks[-1], start=HEIGHT - BOTTOM, end=TOP, values=tuple(y_ticks))
    names = tuple(each.name for each in series)
    table, every = _table(series, x_label, y_label)
    return Drawing(
        title=title,
        x_label=x_label,
        y_label=y_label,
        x=x,
        y=y,
        # All means lie above all raw points.
        lines=tuple(
            _line(each, x, y, colour=place % COLOURS, smooth=smooth)
            for smooth in (False, True)
            for place, each in enumerate(series)
        ),
        legend=() if names == ("",) else names,
        table=table,
        every=every,
    )


def moving_mean(values: Sequence[float], *, window: int) -> list[float]:
    """Mean over `window` neighbours centred on each value, fewer at the ends: no lag behind the data."""
    half = window // 2
    sums = [0.0]
    for value in values:
        sums.append(sums[-1] + value)
    found = []
    for place in range(len(values)):
        first, last = max(0, place - half), min(len(values), place + half + 1)
        found.append((sums[last] - sums[first]) / (last - first))
    return found


def ticks(low: float, high: float, *, most: int, whole: bool = False) -> list[float]:
    """Round numbers, evenly spaced, that enclose [low, high]; `whole` ones for an axis that counts."""
    if high - low < 1e-12 * max(1.0, abs(high)):
        pad = abs(high) * 0.1 or 0.5
        low, high = low - pad, high + pad
    rough = (high - low) / most
    power = 10 ** math.floor(math.log10(rough))
    factors = (1, 2, 5, 10) if whole else (1, 2, 2.5, 5, 10)
    step = next(power * factor for factor in factors if power * factor >= rough * 0.999)
    step = max(1.0, step) if whole else step
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [place * step for place in range(first, last + 1)]


def _finite(series: Series) -> Series:
    kept = [(x, y) for x, y in zip(series.xs, series.ys, strict=True) if math.isfinite(y)]
    return Series(name=series.name, xs=tuple(x for x, _ in kept), ys=tuple(y for _, y in kept))


def _line(series: Series, x: Axis, y: Axis, *, colour: int, smooth: bool) -> Line:
    ys = moving_mean(series.ys, window=max(1, len(series.ys) // 10)) if smooth else series.ys
    points = _thin(list(zip(series.xs, ys, strict=True)))
    return Line(
        colour=colour,
        smooth=smooth,
        points=tuple((x(a), y(b)) for a, b in points),
        tip=f"{series.name} {tick(ys[0])} to {tick(ys[-1])}".strip(),
        marks=not smooth and 1 < len(points) <= FEW,
    )


def _table(series: Sequence[Series], x_label: str, y_label: str) -> tuple[str, int]:
    """The values as the address of a CSV file, and every how-manieth row it has."""
    columns = [dict(zip(each.xs, each.ys, strict=True)) for each in series]
    xs = sorted({x for column in columns for x in column})
    every = math.ceil(len(xs) / MOST_ROWS)
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([x_label, *(each.name or y_label for each in series)])
    for x in xs[::every]:
        writer.writerow([f"{x:.10g}", *(f"{column[x]:.6g}" if x in column else "" for column in columns)])
    return (
        f"data:text/csv;charset=utf-8;base64,{base64.b64encode(stream.getvalue().encode()).decode()}",
        every,
    )


def _thin(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Long runs keep the lowest and the highest point of every stretch, so that no spike disappears."""
    if len(points) <= MOST_POINTS:
        return points
    stretch = math.ceil(len(points) / (MOST_POINTS // 2))
    kept = []
    for start in range(0, len(points), stretch):
        part = points[start : start + stretch]
        kept += sorted({min(part, key=lambda p: p[1]), max(part, key=lambda p: p[1])})
    return kept
