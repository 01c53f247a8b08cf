"""Curves of every training stage, read from its ledger."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from lingshu_train.kind import Chart
from lingshu_train.report.curves import Drawing, Series, chart
from lingshu_train.report.gather import RunView, StageView
from lingshu_train.report.numbers import counted

STEP = "optimizer step"
TRAINING = "training"
HELD_OUT = "held_out/"
"""How columns begin that were measured on rows the stage does not train on."""

UNSCORED = "reward/unscored"
"""Stands among the terms of a reward and is a count of completions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Charts under one heading; `aside` are folded away, under the name of their stage. `missing` says why there are none."""

    title: str
    drawings: tuple[Drawing, ...]
    aside: tuple[tuple[str, tuple[Drawing, ...]], ...] = ()
    missing: str = ""


def curves(view: RunView) -> list[Block]:
    """Stages with one chart each side by side under what they do; a stage with several gets a block of its own.

    So does a finished stage whose ledger is gone: what cannot be drawn is said.
    """
    begun = [each for each in view.stages if each.ledger and each.about.charts]
    single: dict[str, list[StageView]] = {}
    for each in begun:
        if len(_shown(each)) == 1:
            single.setdefault(each.about.method, []).append(each)
    blocks = [
        _block(method.capitalize(), [_chart(_shown(one)[0], one, named=True) for one in stages], stages)
        for method, stages in single.items()
    ]
    for each in begun:
        if len(_shown(each)) > 1:
            drawings = [_chart(chart, each) for chart in _shown(each)]
            blocks.append(_block(f"{each.name}: {each.about.method}, {_far(each)}", drawings, [each]))
    for each in view.stages:
        if each.about.charts and not each.ledger and each.state == "done":
            missing = "Its ledger cannot be read, so there is nothing to draw."
            blocks.append(Block(title=f"{each.name}: {each.about.method}", drawings=(), missing=missing))
    return blocks


def _block(title: str, drawings: Sequence[Drawing | None], stages: Sequence[StageView]) -> Block:
    rest = tuple((each.name, _drawn(_rest(each))) for each in stages)
    return Block(title=title, drawings=_drawn(drawings), aside=rest)


def _drawn(drawings: Iterable[Drawing | None]) -> tuple[Drawing, ...]:
    return tuple(drawing for drawing in drawings if drawing)


def _far(view: StageView) -> str:
    return counted(view.steps, "step") + (" so far" if view.state != "done" else "")


def _shown(view: StageView) -> list[Chart]:
    return [chart for chart in view.about.charts if not chart.aside]


def _rest(view: StageView) -> list[Drawing | None]:
    return [_chart(chart, view) for chart in view.about.charts if chart.aside]


def _chart(wanted: Chart, view: StageView, *, named: bool = False) -> Drawing | None:
    """The chart, None where the ledger has none of its columns; `named` says whose it is."""
    title = f"{wanted.title} of {view.name}, {_far(view)}" if named else wanted.title
    series: list[Series] = []
    several = sum(not column.endswith("/") for column in wanted.columns) > 1
    for column in wanted.columns:
        if column.endswith("/"):
            series += _family(view, column, absent=wanted.absent)
        else:
            found = _series(view, column, name=_name(column) if several else "", absent=wanted.absent)
            series += [found] if found.xs else []
    if [each.name for each in series] == [TRAINING]:
        series = [replace(series[0], name="")]
    return chart(title, series, x_label=STEP, y_label=wanted.y, zero=wanted.zero)


def _name(column: str) -> str:
    return "held-out rows" if column.startswith(HELD_OUT) else TRAINING


def _series(view: StageView, key: str, *, name: str, absent: float | None = None) -> Series:
    found = view.column(key, absent=absent)
    return Series(name=name, xs=tuple(x for x, _ in found), ys=tuple(y for _, y in found))


def _family(view: StageView, prefix: str, *, absent: float | None = None) -> Sequence[Series]:
    """One series per key that starts with `prefix`: the five largest in sum."""
    keys = dict.fromkeys(
        key for line in view.ledger for key in line if key.startswith(prefix) and key != UNSCORED
    )
    found = [_series(view, key, name=key.removeprefix(prefix), absent=absent) for key in keys]
    found = [each for each in found if each.ys]
    kept = sorted(found, key=lambda each: -sum(abs(y) for y in each.ys))[:5]
    return [each for each in found if each in kept]
