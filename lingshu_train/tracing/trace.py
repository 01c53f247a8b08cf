"""One question about a run: when was it trained on, which weights carry it, and where was it only looked at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path

import numpy as np

from lingshu_train.data.corpus import corpus
from lingshu_train.data.corpus.summary import SUMMARY
from lingshu_train.errors import DataError, MissingInput, RecipeError
from lingshu_train.model.settings import Settings
from lingshu_train.model.shape import PictureBudget
from lingshu_train.runs import run as runs
from lingshu_train.runs import stage as stages
from lingshu_train.runs.run import Run, RunStage, State
from lingshu_train.runs.stage import Stage
from lingshu_train.schema import parse
from lingshu_train.stages import _kinds
from lingshu_train.tracing import checking, descent, looked_at, matching
from lingshu_train.tracing.descent import Carried
from lingshu_train.tracing.looked_at import LookedAt
from lingshu_train.tracing.matching import Ints, Wanted, What
from lingshu_train.tracing.order import Draws, Order
from lingshu_train.training.config import TrainingConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """What one stage did with the rows. `ids` and `draws` go together: `draws.which` counts in `ids`. `left_out`: rows that the
    stage could have read and did not, by reason. `met`: the first step that had one of them, whether it moved anything or was
    left out as not finite; 0: none so far. `never`: rows that take part and have not come yet; `moved_nothing` counts the
    times that a row came in a batch that was left out. `compared` steps were checked against the ledger."""

    stage: str
    kind: str
    state: State
    steps: int
    ids: tuple[str, ...]
    draws: Draws
    left_out: dict[str, int]
    met: int
    never: int
    moved_nothing: int
    compared: int
    window: int

    @property
    def first(self) -> int:
        """The first step that one of the rows moved; 0 where there is none."""
        return int(self.draws.first.min()) if len(self.draws.first) else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """The answer. `found`: rows in each corpus of the run, and `rows`, by its folder, which they are. `untold` are stages whose
    order cannot be told, and why: what carries the rows may then be more than is said."""

    run: Path
    asked: Wanted
    found: dict[str, int]
    rows: Mapping[Path, Ints]
    refused: tuple[str, ...]
    trained: tuple[Trained, ...]
    carried: Carried
    looked_at: tuple[LookedAt, ...]
    untold: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Begun:
    """A stage that was begun; `title` is what it is called here."""

    entry: RunStage
    stage: Stage
    title: str


def trace(folder: Path, what: What, named: str, *, every: bool = False) -> Trace:
    """Follow rows through the run in `folder`. `every`: compare each step of the ledgers, not some.

    MissingInput: no such run, or none of its corpora holds what is asked for. DataError: the order is not that of the ledger.
    """
    found = runs.read(folder)
    begun = list(_begun(found))
    return _follow(found, begun, matching.wanted(what, named, _budgets(begun)), every=every)


def wanted(folder: Path, what: What, named: str) -> Wanted:
    """What is looked for in the run in `folder`: of an image also as its stages have stored it."""
    return matching.wanted(what, named, _budgets(list(_begun(runs.read(folder)))))


def follow(folder: Path, asked: Wanted) -> Trace:
    """The same for what was found by other means than a name."""
    found = runs.read(folder)
    return _follow(found, list(_begun(found)), asked, every=False)


def _follow(found: Run, begun: list[_Begun], asked: Wanted, *, every: bool) -> Trace:
    known = _rows(begun, asked)
    refused = tuple(
        line
        for one in begun
        if one.stage.kind == "prepare"
        for line in matching.refused(one.stage.path / "corpus", asked)
    )
    if not any(len(rows) for rows in known.values()):
        raise MissingInput(_nowhere(found.path, asked, known, refused))
    trained: list[Trained] = []
    untold: list[str] = []
    touched: dict[str, int] = {}
    for one in begun:
        try:
            told = _trained(found, one, known, every=every)
        except RecipeError as fault:
            untold.append(f"{one.title}: {fault}")
            continue
        if isinstance(told, str):
            untold.append(told)
        elif told is not None:
            trained.append(told)
            if told.first:
                touched[one.stage.path.name] = told.first
    return Trace(
        run=found.path,
        asked=asked,
        found={
            one.title: len(known[one.stage.path / "corpus"])
            for one in begun
            if one.stage.path / "corpus" in known
        },
        rows=known,
        refused=refused,
        trained=tuple(trained),
        carried=descent.carried(
            found.path,
            [(one.stage, found.state(one.entry)) for one in begun],
            touched,
            holding={place.parent.name for place, rows in known.items() if len(rows)},
        ),
        looked_at=tuple(
            use
            for one in begun
            for use in looked_at.of(one.stage, known, title=one.title, skip=bool(one.stage.about.trains))
        ),
        untold=tuple(untold),
    )


def _begun(found: Run) -> Iterator[_Begun]:
    """The stages that have a stage.json, with their folders where the run lies now: those of the plan, and those that plans
    before it left in the run's folder, which carry weights too."""
    planned = [found.folder(entry) for entry in found.stages]
    others = sorted(path.parent for path in found.path.glob("*/stage.json"))
    for place in [*planned, *(other for other in others if other not in planned)]:
        if not (place / "stage.json").is_file():
            continue
        stage = stages.read(place / "stage.json")
        moved = {name: str(_here(found, folder)) for name, folder in stage.parents.items()}
        stage = stage.model_copy(update={"folder": str(place), "parents": moved})
        entry = RunStage(name=stage.name, kind=stage.kind, folder=place.name, about=stage.about)
        yield _Begun(entry, stage, stage.name if place in planned else f"{place.name} (of another plan)")


def _here(found: Run, folder: str) -> Path:
    """A parent's folder: beside the stage, wherever the run was moved to, or where it was."""
    beside = found.path / Path(folder).name
    return beside if beside.is_dir() else Path(folder)


def _budgets(begun: list[_Begun]) -> list[PictureBudget]:
    """Of the stages that prepared pictures."""
    settings = (
        parse(Settings, one.stage.model, where="model", error=RecipeError)
        for one in begun
        if one.stage.kind == "prepare"
    )
    return [each.budget for each in settings]


def _rows(begun: list[_Begun], asked: Wanted) -> dict[Path, Ints]:
    """The rows asked for of every corpus that a stage of the run reads or made, by its folder."""
    folders = {
        folder / "corpus"
        for one in begun
        for folder in (one.stage.path, *map(Path, one.stage.parents.values()))
    }
    return {
        folder: matching.rows(corpus.load(folder), asked)
        for folder in sorted(folders)
        if (folder / SUMMARY).is_file()
    }


def _trained(found: Run, one: _Begun, known: dict[Path, Ints], *, every: bool) -> Trained | str | None:
    """None where the stage trains on no row; a line where its order is not known."""
    stage = one.stage
    unknown = f"{one.title}: trains, and the order of kind {stage.kind!r} is not known here"
    if stage.about.role != "model" or not stage.about.trains:
        return None
    config = _kinds.read(stage.config, where=f"stages.{stage.name}")
    if not isinstance(config, TrainingConfig):
        return unknown
    folders = [stage.parent(mix.corpus) / "corpus" for mix in config.data]
    if gone := [folder for folder in folders if folder not in known]:
        return f"{one.title}: its rows are gone ({gone[0]}: no corpus there)"
    if not any(len(known[folder]) for folder in folders):
        return None
    lines, skipped = checking.written(stage)
    order = checking.opened(stage, config, lines)
    if order is None:
        return unknown
    numbers, owners, left_out = _numbers(order, known)
    came = order.draws(numbers)
    draws, moved_nothing = came.moving(skipped)
    steps = np.unique(came.first)
    compared = (
        np.array(sorted(lines))
        if every
        else checking.chosen(lines, steps, rows=len(order.step(1)) if lines else 0)
    )
    wrong = checking.differing(order, lines, compared)
    if wrong:
        raise DataError(
            f"{stage.path}: at step {wrong[0]} the ledger tells of other samples than the order computed from stage.json, the "
            "corpora and their stored lengths; one of them was changed since: `lingshu verify` names it"
        )
    owned = owners[draws.which]
    # A sample that several ingredients take is one sample.
    drawn, one_of = np.unique(owned, return_index=True)
    return Trained(
        stage=one.title,
        kind=stage.kind,
        state=found.state(one.entry),
        steps=order.steps,
        ids=tuple(order.sample_id(int(numbers[draws.which[place]])) for place in one_of[:LISTED]),
        draws=replace(draws, which=np.searchsorted(drawn, owned)),
        left_out=dict(left_out),
        met=int(came.first.min()) if len(came.first) else 0,
        never=len(np.unique(owners)) - len(np.unique(owners[came.which])),
        moved_nothing=moved_nothing,
        compared=len(compared),
        window=getattr(order, "window", 1),
    )


LISTED = 1_000
"""Rows that are named one by one; of more, the first so many."""


def _numbers(order: Order, known: dict[Path, Ints]) -> tuple[Ints, Ints, Counter[str]]:
    """Numbers of the rows in a stage's order, ascending; for each which sample it is; and how many are left out, by reason."""
    numbers: list[Ints] = [np.empty(0, np.int64)]
    owners: list[Ints] = [np.empty(0, np.int64)]
    left_out: Counter[str] = Counter()
    before = dict(zip(known, accumulate(map(len, known.values()), initial=0), strict=False))
    for place, part in enumerate(order.parts):
        which, found, why = order.number(place, known[part.found.folder])
        numbers.append(found)
        owners.append(which + before[part.found.folder])
        several = f" (ingredient {place}, {part.mix.corpus})" if len(order.parts) > 1 else ""
        left_out.update({f"{reason}{several}": count for reason, count in why.items()})
    return np.concatenate(numbers), np.concatenate(owners), left_out


def _nowhere(folder: Path, asked: Wanted, known: dict[Path, Ints], refused: tuple[str, ...]) -> str:
    if refused:
        return f"{folder}: {asked.searched} is in no corpus: refused when it was prepared ({refused[0]})"
    names = ", ".join(sorted({place.parent.name for place in known})) or "none is finished"
    return f"{folder}: {asked.searched} is in no corpus of this run (searched: {names})"
