"""What the papers may tell of a run: read once, from its manifests, its corpora and the data cards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from lingshu_train.data.cards import card as cards
from lingshu_train.data.cards.card import Card
from lingshu_train.errors import LingshuError, RecipeError
from lingshu_train.hub.provenance import Provenance
from lingshu_train.kind import StageConfig
from lingshu_train.model import origin as origins
from lingshu_train.model.origin import Origin
from lingshu_train.papers import _rows
from lingshu_train.papers._rows import Counted, Read
from lingshu_train.report import gather
from lingshu_train.report.gather import RunView, StageView
from lingshu_train.runs import pushed, run
from lingshu_train.runs.manifest import CARDS, Manifest
from lingshu_train.runs.pushed import Pushed
from lingshu_train.runs.stage import Stage
from lingshu_train.stages import _kinds as kinds


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A data card of the run. `card` is None where it is not here any more; `licence` is then what the run recorded. `changed`:
    the card here is not the one that the run read."""

    name: str
    card: Card | None
    licence: str
    changed: bool

    @property
    def title(self) -> str:
        return self.card.title if self.card else self.name

    @property
    def access(self) -> str:
        return self.card.lingshu.access if self.card else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A run, as far as it is.

    `lineage` are the finished training stages behind the model that the papers are about, oldest first; none where none has
    finished. `training` and `evaluation` are the cards behind its weights and of the questions it was asked; `idle` cards were
    read too, and no row of them was open to training. `counted` is what was, by card, or why that cannot be told (`uncounted`);
    `pictures` are different ones, over all cards. `export`: all that is known is what came with an exported model.
    """

    view: RunView
    lineage: tuple[Manifest, ...]
    origin: Origin | None
    training: tuple[Source, ...]
    evaluation: tuple[Source, ...]
    idle: tuple[Source, ...]
    counted: Mapping[str, Counted]
    pictures: int
    uncounted: str
    configs: Mapping[str, StageConfig]
    pushes: tuple[Pushed, ...]
    export: Provenance | None = None

    @property
    def model(self) -> Stage | None:
        """The stage whose weights the papers are about."""
        return self.lineage[-1].stage if self.lineage else None

    @property
    def rooted(self) -> bool:
        """Whether the lineage is known to its beginning: a stage in between may be damaged, or not be here."""
        finished = {made.stage.name for made in self.view.manifests}
        return bool(self.lineage) and self.lineage[0].stage.about.starts_from in ("", *finished)

    @property
    def missing(self) -> tuple[StageView, ...]:
        """Stages that have not finished."""
        return tuple(each for each in self.view.stages if each.state != "done")

    @property
    def finished(self) -> str:
        """When the last stage that has finished did, in UTC; empty where none has."""
        times = [made.finished for made in self.view.manifests]
        times += [one.finished for one in self.export.stages] if self.export else []
        return max(times, default="")

    @property
    def corpora(self) -> tuple[Manifest, ...]:
        """Of the finished stages that left a corpus."""
        return tuple(made for made in self.view.manifests if made.stage.about.role == "corpus")

    @property
    def evaluations(self) -> tuple[Manifest, ...]:
        return tuple(made for made in self.view.manifests if made.stage.about.role == "results")

    @property
    def environments(self) -> tuple[Manifest, ...]:
        """A finished stage for each different environment, the last one first."""
        found = {made.environment.model_dump_json(): made for made in self.view.manifests}
        return tuple(reversed(found.values()))


def known(folder: Path, *, card_folder: Path | None = None) -> Known:
    """Read the run in `folder`. MissingInput (66) where it is none, DataError (65) where its run.json is damaged."""
    view = gather.view(folder, cards=card_folder)
    stages = {each.name: each.stage for each in view.stages if each.stage}
    lineage = _lineage(view)
    behind = (
        run.trained_on(stages, lineage[-1].stage.name)
        if lineage
        else {name for each in view.stages if each.about.role == "corpus" for name in each.about.cards}
    )
    asked = {name for measured in view.results.cards.values() for name in measured} | {
        line.card for lines in view.predictions.values() for line in lines if line.card
    }
    configs = _configs(stages)
    reads = [read for made in lineage for read in _reads(view, made.stage, configs)]
    counted, pictures, why = _counted(reads)
    sources = {name: _source(view, name, card_folder) for name in sorted(behind | asked)}
    idle = behind - set(counted) if counted else set()
    return Known(
        view=view,
        lineage=lineage,
        origin=origins.first(lineage),
        training=tuple(sources[name] for name in sorted(behind - idle)),
        evaluation=tuple(sources[name] for name in sorted(asked)),
        idle=tuple(sources[name] for name in sorted(idle)),
        counted=counted,
        pictures=pictures,
        uncounted=why,
        configs=configs,
        pushes=tuple(push for each in view.stages for push in pushed.read(each.folder)),
    )


def _lineage(view: RunView) -> tuple[Manifest, ...]:
    """From the model that was exported, or else the last one trained, back to the first training stage."""
    done = {made.stage.name: made for made in view.manifests}
    trained = [made for made in view.manifests if made.stage.about.trains]
    exported = [
        done[name]
        for made in view.manifests
        if made.stage.about.role == "export"
        for name in made.stage.parents
        if name in done and done[name].stage.about.trains
    ]
    found: list[Manifest] = []
    last = next(reversed(exported or trained), None)
    while last and last.stage.about.trains:
        found.append(last)
        last = done.get(last.stage.about.starts_from)
    return tuple(reversed(found))


def _configs(stages: Mapping[str, Stage]) -> dict[str, StageConfig]:
    """Of the stages whose kind is known here: a plugin's may not be."""
    found: dict[str, StageConfig] = {}
    for name, stage in stages.items():
        try:
            found[name] = kinds.read(stage.config, where=f"stages.{name}")
        except RecipeError:
            continue
    return found


def _reads(view: RunView, stage: Stage, configs: Mapping[str, StageConfig]) -> list[Read]:
    """What a training stage reads of corpora to learn from; all of each corpus where its kind is not known here."""
    folders = {each.name: each.folder / "corpus" for each in view.stages if each.about.role == "corpus"}
    config = configs.get(stage.name)
    if config is None:
        return [
            Read(folder=folders[name], split="train", gone=stage.withdrawn.get(name))
            for name in stage.parents
            if name in folders
        ]
    return [
        Read(
            folder=folders[need.stage],
            split=need.split,
            tasks=need.tasks,
            cards=need.cards,
            gone=stage.withdrawn.get(need.stage),
        )
        for need in config.needs
        if need.role == "corpus" and need.stage in folders and not need.key.startswith("watch")
    ]


def _counted(reads: Sequence[Read]) -> tuple[Mapping[str, Counted], int, str]:
    if not reads:
        return {}, 0, "no training stage has finished"
    try:
        return (*_rows.counted(reads), "")
    except (LingshuError, OSError, pa.ArrowInvalid) as fault:
        told = (str(fault).splitlines() or [type(fault).__name__])[0]
        return {}, 0, f"the rows of the corpora could not be read here ({told.rpartition('/')[2]})"


def _source(view: RunView, name: str, folder: Path | None) -> Source:
    recorded = [digest for made in view.manifests for digest in _table(made, CARDS, name)]
    licences = [told for made in view.manifests for told in _table(made, "licences", name)]
    return source(name, folder, recorded=recorded, licence=next(iter(licences), ""))


def source(name: str, folder: Path | None, *, recorded: Sequence[str], licence: str) -> Source:
    """A card by its name, as far as it is here; `recorded` are its digests at the time, `licence` what was written down."""
    try:
        card = cards.load(name, folder=folder)
    except RecipeError:
        return Source(name=name, card=None, licence=licence, changed=False)
    return Source(
        name=name,
        card=card,
        licence=str(card.lingshu.licence),
        changed=bool(recorded) and card.digest not in recorded,
    )


def _table(made: Manifest, key: str, name: str) -> list[str]:
    """A text that a stage told of a card."""
    told = made.results.get(key)
    value = told.get(name) if isinstance(told, dict) else None
    return [value] if isinstance(value, str) else []
