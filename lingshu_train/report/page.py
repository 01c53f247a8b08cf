"""Puts the report together: report.html, which needs no network and no other file, and samples.html beside it.

What the pages say is decided in the modules beside this one; how they look, in `templates/`, one file for each section. The
scripts add hover values, filters and reloading; without them report.html reads the same.
"""

from __future__ import annotations

import base64
import hashlib
import time
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from lingshu_train.data.cards import licences
from lingshu_train.report import (
    browse,
    closed,
    curation,
    cuts,
    gains,
    gallery,
    gather,
    numbers,
    provenance,
    thinking,
    training,
)
from lingshu_train.report.gather import RunView
from lingshu_train.report.progress import progress
from lingshu_train.report.summary import summary_table
from lingshu_train.report.thinking import Flags
from lingshu_train.runs.files import write_text

__all__ = ["NAME", "page", "summary_table", "write"]

NAME = "report.html"
SAMPLES = "samples.html"
RELOAD_S = 15
"""How often a page that is open reloads itself while its run goes on."""
TEMPLATES = Path(__file__).parent / "templates"
SECTIONS = {
    "plan": "Plan",
    "results": "Results",
    "answers": "Answers",
    "curves": "Training",
    "samples": "Samples",
    "warnings": "Warnings",
    "data": "Data and licences",
    "curation": "Curation",
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
    """Write report.html into the run folder, and samples.html once something is evaluated, from what there is so far.

    Damaged files are said on the page. Raises MissingInput when the folder is not a run, DataError when its run.json is
    damaged.
    """
    return put(gather.view(run_folder, cards=cards))


def put(view: RunView) -> Path:
    """The same for a run that is read already."""
    path = view.run.path / NAME
    flags = thinking.flags(view)
    if view.predictions:
        write_text(view.run.path / SAMPLES, samples_page(view, flags))
    write_text(path, page(view, flags))
    return path


def page(view: RunView, flags: Flags) -> str:
    """The whole document."""
    found = compiled()
    said = {
        "view": view,
        "tasks": gains.tasks(view),
        "changes": gains.changes(view),
        "confusions": closed.confusions(view),
        "open_tasks": closed.open_tasks(view),
        "cuts": cuts.cuts(view),
        "curves": training.curves(view),
        "samples": gallery.samples(view, flags),
        "per_outcome": gallery.PER_OUTCOME,
        "rollouts": gallery.rollouts(view, flags),
        "warnings": provenance.warnings(view, flags),
        "statuses": provenance.statuses(view, flags),
        "card_rows": provenance.rows(view),
        "lessons": provenance.lessons(view),
        "curated": curation.curated(view),
        "settings": provenance.settings(view),
        "machines": provenance.machines(view),
        "hashes": provenance.hashes(view),
        "samples_page": SAMPLES,
    }
    bodies = ((anchor, found.get_template(f"{anchor}.html.j2").render(said)) for anchor in SECTIONS)
    return whole(
        found,
        "page.html.j2",
        TEMPLATES / "report.js",
        view=view,
        lead=_lead(view),
        figures=_figures(view),
        progress=progress(view),
        reload_s=RELOAD_S,
        samples_page=SAMPLES if view.predictions else "",
        # A section that has nothing to show is left out, and so is its link.
        sections=[
            {"anchor": anchor, "title": SECTIONS[anchor], "body": Markup(body)}
            for anchor, body in bodies
            if body.strip()
        ],
    )


def samples_page(view: RunView, flags: Flags) -> str:
    """Every held-out question, to be filtered and paged through. Writes its pictures beside it."""
    found = browse.browsed(view, flags)
    return whole(
        compiled(),
        "browse.html.j2",
        TEMPLATES / "browse.js",
        view=view,
        browsed=found,
        data=asdict(found),
        warnings=[*(f"damaged: {line}" for line in view.damage), *provenance.restricted(view)],
        report_page=NAME,
    )


def whole(found: Environment, template: str, script: Path, **said: object) -> str:
    """A document with its one script, which its policy names by hash: no other can run, and nothing is fetched."""
    code = script.read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
    written = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
    return found.get_template(template).render(
        script=Markup(code), script_hash=f"sha256-{digest}", written=written, **said
    )


@cache
def compiled() -> Environment:
    """The report's own templates, compiled once in a process: a page is written many times while a run goes on."""
    found = templates()
    for name in found.list_templates(extensions=["j2"]):
        found.get_template(name)
    return found


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
    found.filters.update(said=licences.said, origin=provenance.origin, counted=numbers.counted)
    return found


def _lead(view: RunView) -> str:
    """One sentence: what was trained, through which stages, how far it is."""
    training_stages = [each for each in view.stages if each.about.trains]
    done = sum(each.state == "done" for each in view.stages)
    names = ", ".join(each.name for each in training_stages) or "no training stage"
    base = str(next((each.stage.model.get("base") for each in view.stages if each.stage), "") or "")
    # Where a folder lies on this machine is nobody's concern who reads the page.
    named = f"the folder {Path(base).name}" if base.startswith(("/", ".", "~")) else base
    start = f"from {named}" if base else "from random weights"
    far = f"{done} of {numbers.counted(len(view.stages), 'stage')} done"
    return f"A medical vision-language model trained {start} through {names}: {far}."


def _figures(view: RunView) -> list[Figure]:
    share, points = numbers.share, numbers.points
    found = []
    for task in [task for task in gains.tasks(view) if task.overall]:
        last = task.measured[-1]
        if last:
            label = f"held-out accuracy of {view.models[-1]}"
            found.append(
                Figure(value=share(last.accuracy), label=label, about=numbers.counted(last.n, "question"))
            )
            constant = share(last.constant)
            found.append(Figure(value=constant, label="best constant answer", about="the same questions"))
    for change in gains.changes(view)[-1:]:
        interval = change.interval
        about = f"95 % interval {points(interval.low)} to {points(interval.high)}"
        label = f"{change.after} over {change.before}"
        found.append(Figure(value=f"{points(interval.value)} points", label=label, about=about))
    spent = [each.seconds for each in view.stages if each.seconds is not None]
    if spent:
        steps = numbers.counted(sum(each.steps for each in view.stages), "optimizer step")
        found.append(Figure(value=numbers.duration(sum(spent)), label="time in stages", about=steps))
    return found
