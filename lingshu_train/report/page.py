"""Puts the report together: one HTML file that needs no network, no script and no other file.

What the page says is decided in the modules beside this one; how it looks, in `templates/`, one file for each section.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from lingshu_train.data.cards import licences
from lingshu_train.report import gains, gallery, gather, numbers, provenance, training
from lingshu_train.report.gather import RunView
from lingshu_train.report.summary import summary_table
from lingshu_train.runs.files import write_text

__all__ = ["NAME", "page", "summary_table", "write"]

NAME = "report.html"
TEMPLATES = Path(__file__).parent / "templates"
SECTIONS = {
    "plan": "Plan",
    "results": "Results",
    "curves": "Training",
    "samples": "Samples",
    "warnings": "Warnings",
    "data": "Data and licences",
    "settings": "Settings",
    "environment": "Environment and hashes",
}
"""Titles by anchor, in the order of the page. The anchor is also the name of the section's template."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One of the few numbers to see first."""

    value: str
    label: str
    about: str


def write(run_folder: Path, *, cards: Path | None = None) -> Path:
    """Write report.html into the run folder, from whatever the run has finished so far.

    Raises MissingInput when the folder is not a run, DataError when one of its files is damaged.
    """
    view = gather.view(run_folder, cards=cards)
    path = run_folder / NAME
    write_text(path, page(view))
    return path


def page(view: RunView) -> str:
    """The whole document."""
    found = templates()
    said = {
        "view": view,
        "tasks": gains.tasks(view),
        "changes": gains.changes(view),
        "curves": training.curves(view),
        "samples": gallery.samples(view),
        "per_outcome": gallery.PER_OUTCOME,
        "rollouts": gallery.rollouts(view),
        "warnings": provenance.warnings(view),
        "statuses": provenance.statuses(view),
        "settings": provenance.settings(view),
        "machines": provenance.machines(view),
        "hashes": provenance.hashes(view),
    }
    bodies = ((anchor, found.get_template(f"{anchor}.html.j2").render(said)) for anchor in SECTIONS)
    return found.get_template("page.html.j2").render(
        view=view,
        lead=_lead(view),
        figures=_figures(view),
        # A section that has nothing to show is left out, and so is its link.
        sections=[
            {"anchor": anchor, "title": SECTIONS[anchor], "body": Markup(body)}
            for anchor, body in bodies
            if body.strip()
        ],
    )


def templates() -> Environment:
    """The page's templates. Whatever comes from a run is escaped; a name that does not exist is a fault of ours."""
    found = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters.update(share=numbers.share, points=numbers.points, duration=numbers.duration)
    found.filters.update(said=licences.said)
    return found


def _lead(view: RunView) -> str:
    """One sentence: what was trained, through which stages, how far it is."""
    training_stages = [each for each in view.stages if each.about.trains]
    done = sum(each.state == "done" for each in view.stages)
    names = ", ".join(each.name for each in training_stages) or "no training stage"
    base = next((each.stage.model.get("base") for each in view.stages if each.stage), "")
    start = f"from {base}" if base else "from random weights"
    far = f"{done} of {len(view.stages)} stages done"
    return f"A medical vision-language model trained {start} through {names}: {far}."


def _figures(view: RunView) -> list[Figure]:
    share, points = numbers.share, numbers.points
    found = []
    for task in [task for task in gains.tasks(view) if task.overall]:
        last = task.measured[-1]
        if last:
            label = f"held-out accuracy of {view.models[-1]}"
            found.append(Figure(value=share(last.accuracy), label=label, about=f"{last.n:,} questions"))
            constant = share(last.constant)
            found.append(Figure(value=constant, label="best constant answer", about="the same questions"))
    for change in gains.changes(view)[-1:]:
        interval = change.interval
        about = f"95 % interval {points(interval.low)} to {points(interval.high)}"
        label = f"{change.after} over {change.before}"
        found.append(Figure(value=f"{points(interval.value)} points", label=label, about=about))
    spent = [each.seconds for each in view.stages if each.seconds is not None]
    if spent:
        steps = f"{sum(each.steps for each in view.stages):,} optimizer steps"
        found.append(Figure(value=numbers.duration(sum(spent)), label="time in stages", about=steps))
    return found
