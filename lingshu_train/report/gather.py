"""Reads a run folder, finished or not, into the records that the report draws from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import RootModel

from lingshu_train.data.cards import card
from lingshu_train.data.cards.card import Card
from lingshu_train.data.corpus import corpus
from lingshu_train.errors import RecipeError
from lingshu_train.kind import About
from lingshu_train.report import salvage
from lingshu_train.report.salvage import Salvaged
from lingshu_train.runs import ledger, manifest, results, run, stage
from lingshu_train.runs.ledger import Column
from lingshu_train.runs.lines import Line
from lingshu_train.runs.manifest import Manifest
from lingshu_train.runs.results import Prediction, Results, Rollout
from lingshu_train.runs.run import Run, State
from lingshu_train.runs.stage import Stage

BENCHMARKS = "evaluation.html"
"""The page that a stage writes of benchmarks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageView:
    """One stage as it stands: `stage` and `manifest` are None where it has not started or not finished.

    `fault` is the message that an unfinished stage stopped with, empty where it left none; `damage` has a sentence for each
    of its files that cannot be read whole.
    """

    name: str
    kind: str
    about: About
    folder: Path
    state: State
    stage: Stage | None
    manifest: Manifest | None
    ledger: tuple[Mapping[str, Column], ...]
    fault: str
    damage: tuple[str, ...]

    def column(self, key: str, *, absent: float | None = None) -> list[tuple[float, float]]:
        """Step and value wherever the ledger has a number under `key`; `absent` stands in where it has none."""
        found = ((line.get("step"), line.get(key, absent)) for line in self.ledger)
        return [
            (step, value)
            for step, value in found
            if isinstance(step, int | float) and isinstance(value, int | float)
        ]

    @property
    def steps(self) -> int:
        return int(max((step for step, _ in self.column("step")), default=0))

    @property
    def seconds(self) -> float | None:
        """Wall-clock seconds: from the manifest, else what the ledger has counted so far."""
        if self.manifest:
            return self.manifest.seconds
        counted = [seconds for _, seconds in self.column("seconds")]
        return sum(counted) if counted else None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunView:
    """Everything the report shows. `missing_cards` are named by the run and have no card here any more. `running`: a
    process is at it now."""

    run: Run
    stages: tuple[StageView, ...]
    results: Results
    predictions: Mapping[str, tuple[Prediction, ...]]
    rollouts: Mapping[str, tuple[Rollout, ...]]
    cards: tuple[Card, ...]
    missing_cards: tuple[str, ...]
    damage: tuple[str, ...]
    running: bool

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the evaluated models, in the order their stages ran."""
        order = {view.name: place for place, view in enumerate(self.stages)}
        return tuple(sorted(self.results.models, key=lambda name: order.get(name, -1)))

    @property
    def lines_named(self) -> tuple[str, ...]:
        """Every benchmark or card that has a line, in the order in which they were measured."""
        return tuple(dict.fromkeys(line.name for found in self.results.lines.values() for line in found))

    def lines_of(self, name: str) -> tuple[Line | None, ...]:
        """Of one benchmark the line of each model; None where it has none."""
        measured = (self.results.lines.get(model, ()) for model in self.models)
        return tuple(next((line for line in found if line.name == name), None) for found in measured)

    @property
    def means_named(self) -> tuple[str, ...]:
        """The titles of the means of benchmarks."""
        return tuple(dict.fromkeys(title for found in self.results.means.values() for title in found))

    @property
    def benchmark_pages(self) -> tuple[str, ...]:
        """The pages of stages that measured benchmarks, as the report's own folder sees them."""
        pages = (view.folder / BENCHMARKS for view in self.stages if view.about.role == "results")
        return tuple(f"{page.parent.name}/{page.name}" for page in pages if page.is_file())

    @property
    def manifests(self) -> tuple[Manifest, ...]:
        return tuple(view.manifest for view in self.stages if view.manifest)

    def image(self, digest: str | None) -> bytes | None:
        """The stored file of a picture, from whichever prepared corpus of the run holds it."""
        if not digest:
            return None
        found = (corpus.stored(view.folder / "corpus", digest) for view in self.stages)
        return next((data for data in found if data is not None), None)


def view(run_folder: Path, *, cards: Path | None = None) -> RunView:
    """Read a run, with the data cards of the folder `cards`.

    What is damaged is left out and said in `damage`. Raises MissingInput when the folder is not a run, DataError when its
    run.json is damaged.
    """
    found = run.read(run_folder)
    stages = tuple(_stage(found, entry) for entry in found.stages)
    damage = [line for each in stages for line in each.damage]
    measured = Results()
    predictions: dict[str, tuple[Prediction, ...]] = {}
    for evaluated in (each for each in stages if each.about.role == "results"):
        here = salvage.whole(results.read, evaluated.folder, Results())
        measured = measured.joined(here.found)
        damage += here.faults
        for name in here.found.models:
            lines = salvage.records(results.predictions_file(evaluated.folder, name), RootModel[Prediction])
            predictions[name] = lines.found
            damage += lines.faults
    rollouts: dict[str, tuple[Rollout, ...]] = {}
    for each in stages:
        kept = salvage.records(each.folder / ledger.COMPLETIONS, RootModel[Rollout])
        damage += kept.faults
        if kept.found:
            rollouts[each.name] = kept.found
    named = {name for each in stages for name in each.about.cards}
    names = named | {line.card for lines in predictions.values() for line in lines if line.card}
    known, missing = _cards(sorted(names), cards)
    return RunView(
        run=found,
        stages=stages,
        results=measured,
        predictions=predictions,
        rollouts=rollouts,
        cards=known,
        missing_cards=missing,
        # Where it lies on this machine is nobody's concern who reads the page.
        damage=tuple(line.replace(f"{found.path}/", "") for line in damage),
        running=run.held(found.path),
    )


def _stage(found: Run, entry: run.RunStage) -> StageView:
    folder = found.folder(entry)
    file = folder / "stage.json"
    begun = salvage.whole(stage.read, file, None) if file.is_file() else Salvaged(None)
    made = (
        salvage.whole(manifest.read, folder, None) if (folder / manifest.NAME).is_file() else Salvaged(None)
    )
    state = found.state(entry)
    lines = salvage.lines(folder / ledger.NAME, ended=state == "done")
    damage = [*begun.faults, *made.faults, *lines.faults]
    if state == "done" and entry.about.charts and not lines.found:
        damage.append(f"{folder / ledger.NAME}: missing or empty, so nothing of its training can be drawn")
    return StageView(
        name=entry.name,
        kind=entry.kind,
        about=entry.about,
        folder=folder,
        state=state,
        stage=begun.found,
        manifest=made.found,
        ledger=lines.found,
        fault="" if state == "done" else _fault(folder / "error.json"),
        damage=tuple(damage),
    )


def _fault(path: Path) -> str:
    """What a worker wrote before it gave up; a file cut short by a crash tells nothing."""
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))["message"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _cards(names: list[str], folder: Path | None) -> tuple[tuple[Card, ...], tuple[str, ...]]:
    found: list[Card] = []
    missing: list[str] = []
    for name in names:
        try:
            found.append(card.load(name, folder=folder))
        except RecipeError:
            missing.append(name)
    return tuple(found), tuple(missing)
