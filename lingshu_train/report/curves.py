"""Line charts as inline SVG: raw points faint, their centred moving mean on top, both axes labelled."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 350, 225
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 8, 42
MOST_POINTS = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One line, named where it needs a name. Points that are not finite are left out of the drawing."""

    name: str
    xs: tuple[float, ...]
    ys: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """A linear scale from data to pixels."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)


def chart(title: str, series: Sequence[Series], *, x_label: str, y_label: str) -> str:
    """A figure with one chart; empty text where no series has a finite point. Five colours, so five lines."""
    series = [clean for each in series if (clean := _finite(each)).xs]
    if not series:
        return ""
    xs = [x for each in series for x in each.xs]
    ys = [y for each in series for y in each.ys]
    x_ticks, y_ticks = ticks(min(xs), max(xs), most=5, whole=True), ticks(min(ys), max(ys), most=5)
    x = Axis(low=min(xs), high=max(*xs, min(xs) + 1), start=LEFT, end=WIDTH - RIGHT)
    y = Axis(low=y_ticks[0], high=y_ticks[-1], start=HEIGHT - BOTTOM, end=TOP)
    parts = [_grid(x, y, x_ticks=x_ticks, y_ticks=y_ticks)]
    for place, each in enumerate(series):
        parts.append(_line(each, x, y, css=f"raw s{place % 5}", smoothed=False))
    for place, each in enumerate(series):
        parts.append(_line(each, x, y, css=f"smooth s{place % 5}", smoothed=True))
    parts.append(_labels(x_label, y_label))
    name = html.escape(f"{title}: {y_label} by {x_label}", quote=True)
    drawing = f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{name}">{"".join(parts)}</svg>'
    return f"<figure><figcaption>{html.escape(title)}{_legend(series)}</figcaption>{drawing}</figure>"


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


def _line(series: Series, x: Axis, y: Axis, *, css: str, smoothed: bool) -> str:
    ys = moving_mean(series.ys, window=max(1, len(series.ys) // 10)) if smoothed else series.ys
    points = _thin(list(zip(series.xs, ys, strict=True)))
    if len(points) == 1:
        return f'<circle class="{css}" cx="{x(points[0][0]):.1f}" cy="{y(points[0][1]):.1f}" r="3"/>'
    text = " ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in points)
    tip = html.escape(f"{series.name} {number(ys[0])} to {number(ys[-1])}".strip())
    return f'<polyline class="{css}" points="{text}"><title>{tip}</title></polyline>'


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


def _grid(x: Axis, y: Axis, *, x_ticks: list[float], y_ticks: list[float]) -> str:
    parts = []
    for value in y_ticks:
        at, beside, name = f"{y(value):.1f}", f"{y(value) + 4:.1f}", number(value)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at}" y2="{at}"/>')
        parts.append(f'<text class="tick" x="{LEFT - 7}" y="{beside}" text-anchor="end">{name}</text>')
    for value in x_ticks:
        if x.low <= value <= x.high:
            at, below = f"{x(value):.1f}", HEIGHT - BOTTOM
            parts.append(f'<line class="axis" x1="{at}" x2="{at}" y1="{below}" y2="{below + 4}"/>')
            parts.append(
                f'<text class="tick" x="{at}" y="{below + 16}" text-anchor="middle">{number(value)}</text>'
            )
    parts.append(
        f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{HEIGHT - BOTTOM}" y2="{HEIGHT - BOTTOM}"/>'
    )
    return "".join(parts)


def _labels(x_label: str, y_label: str) -> str:
    middle, centre = (LEFT + WIDTH - RIGHT) / 2, (TOP + HEIGHT - BOTTOM) / 2
    below, aside = html.escape(x_label), html.escape(y_label)
    turned = f"translate(13 {centre}) rotate(-90)"
    return (
        f'<text class="label" x="{middle}" y="{HEIGHT - 6}" text-anchor="middle">{below}</text>'
        f'<text class="label" transform="{turned}" text-anchor="middle">{aside}</text>'
    )


def _legend(series: Sequence[Series]) -> str:
    """Names and colours; a line that stands alone under its own title needs none."""
    if [each.name for each in series] == [""]:
        return ""
    keys = "".join(
        f'<span class="key"><i class="s{place % 5}"></i>{html.escape(each.name)}</span>'
        for place, each in enumerate(series)
    )
    return f'<span class="legend">{keys}</span>'


def number(value: float) -> str:
    """A tick label: as few digits as tell it apart, without noise from binary fractions."""
    if value and (abs(value) >= 1e5 or abs(value) < 1e-3):
        return f"{value:.1e}".replace("e-0", "e-").replace("e+0", "e")
    return f"{value:.4g}"
