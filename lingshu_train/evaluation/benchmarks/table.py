"""Models on benchmarks as `lingshu eval` measures them: their lines and results.json, and models against the first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import JsonValue

from lingshu_train.evaluation.asking import Asking
from lingshu_train.evaluation.benchmarks import measuring, showing, versus
from lingshu_train.evaluation.benchmarks.asked import Way
from lingshu_train.evaluation.benchmarks.measuring import Questions
from lingshu_train.evaluation.benchmarks.opinions import Opinions
from lingshu_train.evaluation.benchmarks.versus import Difference
from lingshu_train.evaluation.opened import Named
from lingshu_train.evaluation.page import model, render
from lingshu_train.hub import model_index
from lingshu_train.record import Sampling
from lingshu_train.runs.files import write_json, write_text
from lingshu_train.runs.lines import Line


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """What was measured: lines and folders by the label of a model, in the order in which they were named.
    `opinions`: what the model `judge` says of answers that no rule read."""

    lines: dict[str, Sequence[Line]] = field(default_factory=dict)
    folders: dict[str, Path] = field(default_factory=dict)
    paired: dict[str, list[Difference]] = field(default_factory=dict)
    opinions: dict[str, Sequence[Opinions]] = field(default_factory=dict)
    judge: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measuring:
    """How all of them are measured. `rescore`: nothing is asked, what was kept is scored."""

    way: Way
    sampling: Sampling
    rescore: bool = False

    @property
    def config(self) -> dict[str, JsonValue]:
        """What stands in results.json and on the page of how it was asked."""
        way = self.way
        return {
            "prompts": way.prompts,
            "limit": way.limit,
            "few": way.few,
            "no_image": not way.images,
            "shuffle_options": way.shuffles,
            "samples": way.draws,
            "temperature": self.sampling.temperature,
            "seed": self.sampling.seed,
            "max_tokens": self.sampling.max_tokens,
        }


def measured(models: Sequence[Named], asked: Sequence[Questions], out: Path, how: Measuring) -> Table:
    """Every model on every benchmark. What a model answers lies in a folder of its own below `out`."""
    table = Table()
    for one in models:
        folder = out / one.place
        asking = Asking(sampling=how.sampling, system=one.system, title=one.label, together=one.together)
        starts = None if how.rescore else one.starts
        lines = list(measuring.measure(asked, folder, starts, way=how.way, asking=asking, trained=one.stage))
        results = measuring.named(folder, measuring.RESULTS, how.way.variant)
        write_json(results, showing.document(one.label, lines, {"model": one.label, **how.config}))
        index = measuring.named(folder, model_index.NAME, how.way.variant)
        write_text(index, model_index.text(one.label, lines))
        table.lines[one.label], table.folders[one.label] = lines, folder
    table.paired.update(_paired(table.folders, asked, how.way.variant))
    return table


def _paired(
    folders: Mapping[str, Path], asked: Sequence[Questions], variant: str
) -> dict[str, list[Difference]]:
    """By the label of each later model its differences to the first."""
    wanted = [one.benchmark for one in asked]
    right = {label: measuring.right(folder, wanted, variant) for label, folder in folders.items()}
    first, *others = right
    groups = measuring.groups(folders[first], wanted, variant)
    return {other: versus.differences(right[first], right[other], groups) for other in others}


def text(table: Table) -> str:
    """What the terminal shows."""
    first, *others = table.lines
    told = [showing.table(table.lines)]
    told += [versus.text(first, other, table.paired[other]) for other in others]
    return "\n".join(told)


def page(table: Table, asked: Sequence[Questions], how: Measuring, target: Path) -> None:
    """Write all of it as one HTML page."""
    shown = [
        model.of(label, table.folders[label], lines, table.opinions.get(label, ()))
        for label, lines in table.lines.items()
    ]
    target.parent.mkdir(parents=True, exist_ok=True)
    config = how.config | ({"judge": table.judge} if table.judge else {})
    text = render.page(asked, shown, paired=table.paired, config=config, variant=how.way.variant)
    write_text(target, text)
