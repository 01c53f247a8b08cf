"""A comparison as one HTML page that needs no network and no other file, in the looks of the report."""

from __future__ import annotations

from pathlib import Path

from jinja2 import ChoiceLoader, FileSystemLoader

from lingshu_train.comparison import text
from lingshu_train.comparison.side_by_side import Comparison
from lingshu_train.report import page as report

TEMPLATES = Path(__file__).parent / "templates"


def page(found: Comparison) -> str:
    """The whole document."""
    templates = report.templates()
    templates.loader = ChoiceLoader([FileSystemLoader(TEMPLATES), FileSystemLoader(report.TEMPLATES)])
    templates.filters.update(
        label=text.label, accuracy=text.accuracy, difference=text.difference, spread=text.spread
    )
    return templates.get_template("compare.html.j2").render(found=found)
