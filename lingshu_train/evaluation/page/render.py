"""Puts the page of an evaluation together, in the looks of the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from jinja2 import ChoiceLoader, FileSystemLoader
from markupsafe import Markup

from lingshu_train.evaluation.benchmarks import published
from lingshu_train.evaluation.benchmarks.measuring import Questions
from lingshu_train.evaluation.benchmarks.tiers import TIERS
from lingshu_train.evaluation.benchmarks.versus import Difference
from lingshu_train.evaluation.page import figures, samples
from lingshu_train.evaluation.page.model import Model
from lingshu_train.report import page as report
from lingshu_train.report.gather import BENCHMARKS

NAME = BENCHMARKS
TEMPLATES = Path(__file__).parent / "templates"


def page(
    asked: Sequence[Questions],
    models: Sequence[Model],
    *,
    paired: Mapping[str, Sequence[Difference]],
    config: Mapping[str, object],
    variant: str = "",
) -> str:
    """The whole document. `paired`: by the label of a later model, its differences to the first; `config`: how it was
    asked; `variant`: what its results are called."""
    templates = report.templates()
    templates.filters.update(published=_published, rounded=_rounded)
    templates.loader = ChoiceLoader([FileSystemLoader(TEMPLATES), FileSystemLoader(report.TEMPLATES)])
    found = [(one, Markup(one.data)) for one in samples.chunks(asked, models, variant)]
    return report.whole(
        templates,
        "evaluation.html.j2",
        TEMPLATES / "evaluation.js",
        models=models,
        tiers=TIERS,
        groups=figures.groups(models),
        printed=published.rows(),
        breakdowns=list(figures.breakdowns(models)),
        paired=paired,
        config=config,
        chunks=found,
        named=[one.label for one in models],
    )


def _published(model: str) -> str:
    return f"{model}, published"


def _rounded(pair: tuple[str, float]) -> tuple[str, str]:
    return pair[0], f"{pair[1]:.4f}"
