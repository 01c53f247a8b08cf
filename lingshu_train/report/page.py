"""Puts the report together: one HTML file that needs no network, no script and no other file."""

from __future__ import annotations

from pathlib import Path
from string import Template

from lingshu_train.data.cards.card import CARDS
from lingshu_train.report import gallery, gather, provenance, tables, training
from lingshu_train.report.gather import RunView
from lingshu_train.report.markup import Markup, duration, element, join, section, text
from lingshu_train.report.summary import summary_table
from lingshu_train.runs.files import write_text
from lingshu_train.runs.results import ALL

__all__ = ["NAME", "page", "summary_table", "write"]

NAME = "report.html"
HERE = Path(__file__).parent


def write(run_folder: Path, *, cards: Path = CARDS) -> Path:
    """Write report.html into the run folder, from whatever the run has finished so far.

    Raises MissingInput when the folder is not a run, DataError when one of its files is damaged.
    """
    view = gather.view(run_folder, cards=cards)
    path = run_folder / NAME
    write_text(path, page(view))
    return path


def page(view: RunView) -> str:
    """The whole document."""
    parts = {
        "plan": ("Plan", tables.plan(view)),
        "results": ("Results", tables.results(view)),
        "curves": ("Training", training.curves(view)),
        "samples": ("Samples", join([gallery.samples(view), gallery.rollouts(view)])),
        "warnings": ("Warnings", join([provenance.warnings(view), provenance.statuses(view)])),
        "data": ("Data and licences", provenance.data(view)),
        "settings": ("Settings", provenance.settings(view)),
        "environment": ("Environment and hashes", provenance.environment(view)),
    }
    shown = {anchor: part for anchor, part in parts.items() if part[1]}
    links = join(Markup(f'<a href="#{anchor}">{text(title)}</a>') for anchor, (title, _) in shown.items())
    return Template((HERE / "page.html").read_text(encoding="utf-8")).substitute(
        title=text(f"{view.run.recipe}: training report"),
        style=(HERE / "style.css").read_text(encoding="utf-8"),
        recipe=text(view.run.recipe),
        lead=_lead(view),
        figures=_figures(view),
        links=links,
        sections=join(section(anchor, title, content) for anchor, (title, content) in shown.items()),
        plan=text(view.run.plan),
    )


def _lead(view: RunView) -> Markup:
    """One sentence: what was trained, through which stages, how far it is."""
    training_stages = [each for each in view.stages if each.about.trains]
    done = sum(each.state == "done" for each in view.stages)
    names = ", ".join(each.name for each in training_stages) or "no training stage"
    base = next((each.stage.model.get("base") for each in view.stages if each.stage), "")
    start = f"from {base}" if base else "from random weights"
    far = f"{done} of {len(view.stages)} stages done"
    return text(f"A medical vision-language model trained {start} through {names}: {far}.")


def _figures(view: RunView) -> Markup:
    """The few numbers to see first."""
    found: list[tuple[str, str, str]] = []
    if view.models and ALL in view.results.models[view.models[-1]]:
        last = view.results.models[view.models[-1]][ALL]
        found.append(
            (tables.share(last.accuracy), f"held-out accuracy of {view.models[-1]}", f"{last.n:,} questions")
        )
        found.append((tables.share(last.constant), "best constant answer", "the same questions"))
    for change in tables.changes(view)[-1:]:
        interval = change.interval
        about = f"95 % interval {tables.points(interval.low)} to {tables.points(interval.high)}"
        found.append(
            (f"{tables.points(interval.value)} points", f"{change.after} over {change.before}", about)
        )
    spent = [seconds for each in view.stages if (seconds := tables.seconds(each)) is not None]
    if spent:
        found.append(
            (
                duration(sum(spent)),
                "time in stages",
                f"{sum(each.steps for each in view.stages):,} optimizer steps",
            )
        )
    tiles = [
        join([element("b", text(value)), element("span", text(label)), element("small", text(about))])
        for value, label, about in found
    ]
    return join(element("li", tile) for tile in tiles)
