"""The plan as it was carried out, and what each stage was worth on held-out questions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from lingshu_train.metrics._intervals import Interval, paired_difference
from lingshu_train.report.gather import RunView, StageView
from lingshu_train.report.markup import Markup, duration, element, join, table, text
from lingshu_train.runs.results import ALL, Accuracy

STATES = {"done": "✓ done", "unfinished": "… unfinished", "to do": "– to do"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What one stage added to the model before it, on the same held-out questions."""

    after: str
    before: str
    n: int
    interval: Interval


def plan(view: RunView) -> Markup:
    heads = [text(name) for name in ("stage", "kind", "state", "steps", "time", "folder")]
    return table(heads, [_plan_row(each) for each in view.stages], css="plan")


def results(view: RunView) -> Markup:
    """Accuracy of every model on every task, with its interval drawn on a line from 0 to 1."""
    if not view.results.models:
        return element("p", text("Not evaluated yet: the evaluation stage has not finished."), css="quiet")
    heads = [text("task"), text("n"), text("best constant answer"), *(text(name) for name in view.models)]
    rows = []
    for task in view.results.tasks:
        measured = {name: view.results.models[name].get(task) for name in view.models}
        known = [each for each in measured.values() if each]
        label = element("b", text("all tasks")) if task == ALL else text(task.replace("_", " "))
        constant = element("span", text(share(known[0].constant)), css="value quiet")
        rows.append([label, text(known[0].n), constant, *(_accuracy(each) for each in measured.values())])
    note = (
        "Share of held-out questions answered right under greedy decoding; 95 % Wilson interval below. "
        "In each bar the line spans the interval, the dot is the share, the tick is the best constant answer."
    )
    return join([table(heads, rows, css="results"), element("p", text(note), css="quiet"), _changes(view)])


def changes(view: RunView) -> list[Change]:
    """Each evaluated model against the one before it, over the questions both have answered."""
    found = []
    for before, after in zip(view.models, view.models[1:], strict=False):
        earlier = {line.id: line.correct for line in view.predictions.get(before, ())}
        later = {line.id: line.correct for line in view.predictions.get(after, ())}
        shared = sorted(earlier.keys() & later.keys())
        if shared:
            interval = paired_difference([later[key] for key in shared], [earlier[key] for key in shared])
            found.append(Change(after=after, before=before, n=len(shared), interval=interval))
    return found


def share(value: float) -> str:
    """A proportion in percent with one digit."""
    return "–" if math.isnan(value) else f"{100 * value:.1f} %"


def points(value: float) -> str:
    """A difference of proportions in percentage points, always with its sign."""
    return f"{100 * value:+.1f}".replace("-", "−")


def seconds(view: StageView) -> float | None:
    """Wall-clock seconds of a stage: from its manifest, else what its ledger has counted so far."""
    if view.manifest:
        return view.manifest.seconds
    counted = [float(line["seconds"]) for line in view.ledger if "seconds" in line]
    return sum(counted) if counted else None


def _plan_row(view: StageView) -> Sequence[Markup]:
    spent = seconds(view)
    css = f"state {view.state.replace(' ', '')}"
    return [
        text(view.name),
        text(view.kind),
        element("span", text(STATES[view.state]), css=css),
        text(f"{view.steps:,}" if view.steps else "–"),
        text("–" if spent is None else duration(spent)),
        element("code", text(view.folder.name)),
    ]


def _accuracy(measured: Accuracy | None) -> Markup:
    if measured is None:
        return text("–")
    low, high = 100 * measured.low, 100 * measured.high
    value = element("span", text(share(measured.accuracy)), css="value")
    interval = element("span", text(f"{low:.1f} to {high:.1f}"), css="interval")
    return join([value, interval, _bar(measured)])


def _bar(measured: Accuracy) -> Markup:
    low, high, at, constant = (
        f"{100 * each:.1f}" for each in (measured.low, measured.high, measured.accuracy, measured.constant)
    )
    return Markup(
        '<svg class="bar" viewBox="-3 0 106 12" aria-hidden="true">'
        '<line class="rail" x1="0" x2="100" y1="6" y2="6"/>'
        f'<line class="constant" x1="{constant}" x2="{constant}" y1="1" y2="11"/>'
        f'<line class="span" x1="{low}" x2="{high}" y1="6" y2="6"/><circle cx="{at}" cy="6" r="3"/></svg>'
    )


def _changes(view: RunView) -> Markup:
    lines = []
    for each in changes(view):
        interval = each.interval
        verdict = "" if interval.excludes_zero else ", which includes no change"
        lines.append(
            element(
                "li",
                text(
                    f"{each.after} − {each.before}: {points(interval.value)} points, 95 % interval "
                    f"{points(interval.low)} to {points(interval.high)} (paired, n = {each.n}){verdict}"
                ),
            )
        )
    if not lines:
        return Markup("")
    return join([element("h3", text("What each stage changed")), element("ul", join(lines))])
