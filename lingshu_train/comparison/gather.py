"""Reads a run folder into what is compared: its answers, and what it was made of. Needs no card and no code of its kinds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from lingshu_train.errors import MissingInput
from lingshu_train.naming import canonical
from lingshu_train.runs import manifest, results, run
from lingshu_train.runs import stage as stages
from lingshu_train.runs.flat import scalars
from lingshu_train.runs.manifest import Manifest
from lingshu_train.runs.results import Prediction, Results
from lingshu_train.runs.run import Run
from lingshu_train.runs.stage import Stage

Question = tuple[str, ...]
"""What makes two questions the same one: id, text, right answer, options and picture. Ids alone are not enough: another
seed may draw another question under the same id."""

SEED = "seed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """One run. `answers`: model -> task -> question -> whether it was right. The other mappings are flat, for people to read:
    `settings` of all stages, `data` (fingerprints and cards), `code` (versions and machine)."""

    folder: Path
    recipe: str
    results: Results
    models: tuple[str, ...]
    answers: Mapping[str, Mapping[str, Mapping[Question, bool]]]
    settings: Mapping[str, str]
    data: Mapping[str, str]
    code: Mapping[str, str]

    @property
    def seed(self) -> str:
        return self.settings.get(SEED, "")


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeOf:
    """What a run was made of, flat: see `Contender`."""

    settings: Mapping[str, str]
    data: Mapping[str, str]
    code: Mapping[str, str]


def made_of(found: Run) -> MadeOf:
    """Settings of a run's stages that were begun, data and code of those that have finished. DataError: a file is damaged."""
    begun = [stages.read(path) for path in _files(found, "stage.json")]
    made = [manifest.read(path.parent) for path in _files(found, manifest.NAME)]
    return MadeOf(settings=dict(_settings(begun)), data=dict(_data(made)), code=dict(_code(made)))


def read(folder: Path) -> Contender:
    """MissingInput: no run, or nothing evaluated yet. DataError: a file of it is damaged."""
    found = run.read(folder)
    made = made_of(found)
    measured: dict[str, Path] = {}
    for entry in found.stages:
        if entry.about.role == "results" and found.state(entry) == "done":
            measured |= dict.fromkeys(results.read(found.folder(entry)).models, found.folder(entry))
    if not measured:
        states = ", ".join(f"{entry.name} {found.state(entry)}" for entry in found.stages)
        raise MissingInput(f"{folder}: nothing is evaluated yet ({states}); run its recipe again to go on")
    order = {entry.name: place for place, entry in enumerate(found.stages)}
    models = tuple(sorted(measured, key=lambda name: order.get(name, -1)))
    return Contender(
        folder=folder,
        recipe=found.recipe,
        results=_joined({name: measured[name] for name in models}),
        models=models,
        answers={name: _answers(results.predictions(measured[name], name)) for name in models},
        settings=made.settings,
        data=made.data,
        code=made.code,
    )


def _joined(measured: Mapping[str, Path]) -> Results:
    """Of each model what the stage has measured that evaluated it last."""
    found = Results()
    for name, folder in measured.items():
        found = found.joined(results.read(folder).of([name]))
    return found


def _files(found: Run, name: str) -> list[Path]:
    paths = [found.folder(entry) / name for entry in found.stages]
    return [path for path in paths if path.is_file()]


def _answers(lines: tuple[Prediction, ...]) -> dict[str, dict[Question, bool]]:
    found: dict[str, dict[Question, bool]] = {}
    for line in lines:
        question = (line.id, line.question, line.answer, canonical(dict(line.options)), line.image)
        found.setdefault(line.task, {})[question] = line.correct
        found.setdefault(results.ALL, {})[question] = line.correct
    return found


def _settings(begun: list[Stage]) -> Iterator[tuple[str, str]]:
    """As a recipe writes them: `seed`, `model.dtype`, `stages.rl.steps`."""
    for stage in begun[:1]:
        shared = {"model": stage.model, "cluster": stage.cluster.model_dump(mode="json")}
        yield SEED, str(stage.seed)
        yield from scalars(shared)
    for stage in begun:
        yield from scalars(stage.config, f"stages.{stage.name}")


def _data(made: list[Manifest]) -> Iterator[tuple[str, str]]:
    for one in made:
        if one.stage.about.role != "corpus":
            continue
        yield f"{one.stage.name}: cards", ", ".join(one.stage.about.cards)
        yield f"{one.stage.name}: fingerprint", str(one.results.get("fingerprint", ""))[:12]
        digests = one.results.get(manifest.CARDS)
        for name, digest in sorted(digests.items()) if isinstance(digests, dict) else ():
            yield f"{one.stage.name}: card {name}", str(digest)[:12]


def _code(made: list[Manifest]) -> Iterator[tuple[str, str]]:
    """Of the last finished stage that names each: stages of one run may have been made by several versions."""
    for one in made:
        yield "lingshu-train", one.stage.version
        yield from scalars(one.environment.model_dump(mode="json"))
