"""A filled form as people read it: Markdown, one HTML page, JSON. Every place that a person must fill is marked alike."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from jinja2 import ChoiceLoader, FileSystemLoader

import lingshu_train
from lingshu_train.papers import _about_training
from lingshu_train.papers._form import Filled, Rows, Section, Template
from lingshu_train.papers._known import Known
from lingshu_train.report import page as report

TEMPLATES = Path(__file__).parent / "templates"
MARK = "[TO BE WRITTEN: {}]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A form with its answers, in the order of its template, and the run they are of."""

    name: str
    template: Template
    filled: tuple[Filled, ...]
    known: Known

    @property
    def sections(self) -> Iterator[tuple[Section, tuple[Filled, ...]]]:
        place = 0
        for section in self.template.sections:
            yield section, self.filled[place : place + len(section.items)]
            place += len(section.items)

    @property
    def gaps(self) -> tuple[tuple[str, str], ...]:
        """Item and what is to be written, in order."""
        return tuple((_title(one), gap) for one in self.filled for gap in one.gaps)

    @property
    def made_of(self) -> tuple[str, ...]:
        """What the paper rests on, and how to read it."""
        known = self.known
        counts = Counter(one.status for one in self.filled)
        when = f", whose last stage finished at {known.finished}" if known.finished else ""
        return tuple(
            line
            for line in (
                *self._exported(),
                f"Made by lingshu-train {lingshu_train.__version__} from the manifests of the run {known.view.run.recipe} "
                f"(plan {known.view.run.plan[:12]}){when}.",
                _about_training.unfinished(known),
                *(f"Damaged: {line}." for line in known.view.damage),
                f"{len(self.filled)} items: {', '.join(f'{count} {status}' for status, count in counts.items())}. What a "
                f"person must write is marked {MARK.format('...')} and listed at the end. Beside the warnings that go "
                "with every model, nothing is filled in that no manifest, no corpus and no data card says.",
            )
            if line
        )

    def _exported(self) -> Iterator[str]:
        if self.known.export:
            yield (
                f"Of an exported model without its run: its provenance ({self.known.export}) tells names, hashes and data "
                "cards, and neither counts nor results. Whoever has the run can fill more."
            )

    @property
    def overview(self) -> Rows:
        """A line an item, of a form whose items have numbers of their own: a checklist."""
        numbers = [one.item.number for one in self.filled]
        if not all(numbers) or len(set(numbers)) < len(numbers):
            return ()
        rows = (
            (one.item.number, one.item.label, one.status, "; ".join(one.answer.where) or "–")
            for one in self.filled
        )
        return (("No.", "Item", "Status", "Where it is reported in full"), *rows)


def markdown(page: Page) -> str:
    """The paper as Markdown."""
    lines = [f"# {_plain(page.template.title)}", *(f"> {_plain(text)}" for text in page.template.about)]
    lines += [_plain(text) for text in page.made_of]
    lines += [_table(page.overview)] if page.overview else []
    for section, filled in page.sections:
        lines.append(f"{'#' * section.level} {_plain(section.title)}")
        for one in filled:
            lines += _item(one)
    lines.append(f"## Still to be written ({len(page.gaps)})")
    lines.append("\n".join(f"- {_plain(item)}: {_plain(gap)}" for item, gap in page.gaps) or "Nothing.")
    return "\n\n".join(lines) + "\n"


def html(page: Page) -> str:
    """One page that needs no network and no other file, in the looks of the report."""
    found = report.templates()
    found.loader = ChoiceLoader([FileSystemLoader(TEMPLATES), FileSystemLoader(report.TEMPLATES)])
    found.filters.update(mark=MARK.format, title=_title)
    return found.get_template("paper.html.j2").render(page=page, version=lingshu_train.__version__)


def json_text(page: Page) -> str:
    """The paper as JSON, item by item."""
    sections = [
        {
            "title": section.title,
            "items": [
                {
                    "key": one.item.key,
                    "number": one.item.number,
                    "label": one.item.label,
                    "status": one.status,
                    "lines": one.answer.lines,
                    "table": one.answer.table,
                    "where": one.answer.where,
                    "does_not_apply": one.answer.absent,
                    "to_be_written": one.gaps,
                }
                for one in filled
            ],
        }
        for section, filled in page.sections
    ]
    data = {
        "paper": page.name,
        "title": page.template.title,
        "about": page.template.about,
        "made_of": page.made_of,
        "run": page.known.view.run.recipe,
        "plan": page.known.view.run.plan,
        "sections": sections,
        "to_be_written": [{"item": item, "what": gap} for item, gap in page.gaps],
    }
    return json.dumps(data, indent=1, ensure_ascii=False) + "\n"


def _title(one: Filled) -> str:
    return f"{one.item.number} {one.item.label}".strip()


def _item(one: Filled) -> Iterator[str]:
    yield f"**{_plain(_title(one))}** ({one.status})"
    answer = one.answer
    if answer.absent:
        yield f"Does not apply: {_plain(answer.absent)}"
    if len(answer.lines) > 1:
        yield "\n".join(f"- {_plain(line)}" for line in answer.lines)
    elif answer.lines:
        yield _plain(answer.lines[0])
    if answer.table:
        yield _table(answer.table)
    if answer.where:
        yield f"In full: {'; '.join(_plain(place) for place in answer.where)}"
    for gap in one.gaps:
        yield MARK.format(_plain(gap))


def _table(rows: Rows) -> str:
    heads, *body = rows
    lines = [heads, tuple("---" for _ in heads), *body]
    return "\n".join("| " + " | ".join(_plain(cell) for cell in line) + " |" for line in lines)


def _plain(text: str) -> str:
    """A text of the run as Markdown shows it, in one line: nothing in it is markup, and nothing ends a cell."""
    line = " ".join(text.split())
    for sign in ("\\", "|", "<", "*"):
        line = line.replace(sign, f"\\{sign}")
    return line
