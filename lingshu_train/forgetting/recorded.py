"""The recipe of a run, again, from what its stages have written down of themselves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import yaml
from pydantic import JsonValue

from lingshu_train.errors import DataError, MissingInput
from lingshu_train.planning import plan as planning
from lingshu_train.planning import recipe as recipes
from lingshu_train.planning.plan import Plan
from lingshu_train.runs import run as runs
from lingshu_train.runs import stage as stages
from lingshu_train.runs.run import Run
from lingshu_train.runs.stage import Stage
from lingshu_train.runs.withdrawn import Withdrawn

Document = dict[str, JsonValue]
HEAD = (
    "# Written by `lingshu forget`: the recipe that a run was made by, and the rows that it goes without.\n"
)


def stages_of(folder: Path) -> tuple[Run, tuple[Stage, ...]]:
    """The run in a folder and the stages of its plan. MissingInput (66): one was not begun."""
    found = runs.read(folder)
    read: list[Stage] = []
    for entry in found.stages:
        place = found.folder(entry)
        if not (place / "stage.json").is_file():
            raise MissingInput(
                f"{place}: stage {entry.name} was not begun; finish the run with `lingshu run` first, or forget when it has"
            )
        read.append(_here(stages.read(place / "stage.json"), found))
    return found, tuple(read)


def document(found: Run, read: Sequence[Stage], *, output: Path) -> Document:
    """The recipe of these stages, to be written into another folder."""
    first = read[0]
    return {
        "name": found.recipe,
        "title": f"{found.recipe} without the rows that were withdrawn",
        "seed": first.seed,
        "output": str(output),
        "data_root": first.data_root,
        "model": dict(first.model),
        "cluster": first.cluster.model_dump(mode="json"),
        "pipeline": [stage.name for stage in read],
        "stages": {stage.name: {"kind": stage.kind, **stage.config} for stage in read},
    }


def withdrawn(read: Sequence[Stage]) -> Withdrawn | None:
    """What the run goes without already, as its stages have it."""
    corpora = {name: gone for stage in read for name, gone in stage.withdrawn.items()}
    if not corpora:
        return None
    untouched = [
        stage.content
        for stage in read
        if not stage.withdrawn and any(name in corpora for name in stage.parents)
    ]
    return Withdrawn(corpora=corpora, untouched=tuple(untouched))


def plan(made: Document, withdrawn: Withdrawn | None, *, world_size: int) -> Plan:
    """The plan of a recipe that was made here, without these rows."""
    recipe = recipes.read(made, where="the recorded recipe:").model_copy(update={"withdrawn": withdrawn})
    return planning.build(recipe, world_size=world_size)


def check(before: Plan, read: Sequence[Stage]) -> None:
    """DataError (65) where a stage would be another by now: then nothing that the run has computed is known to be what it would
    compute here."""
    for planned, stage in zip(before.stages, read, strict=True):
        if planned.content != stage.content:
            raise DataError(
                f"{stage.path}: stage {stage.name} would be named {planned.content[:12]} here and was {stage.content[:12]}: a "
                "data card, a file that it names, the verifier, a plugin or the version (recorded: "
                f"{stage.version}) has changed since; forget with what the run was made by"
            )


def text(made: Document, withdrawn: Path) -> str:
    """The recipe as a file."""
    return HEAD + yaml.safe_dump(
        {**made, "withdrawn": str(withdrawn)}, sort_keys=False, allow_unicode=True, width=120
    )


def _here(stage: Stage, found: Run) -> Stage:
    """Its parents where the run lies now."""
    beside = {name: found.path / Path(folder).name for name, folder in stage.parents.items()}
    moved = {
        name: str(beside[name]) if beside[name].is_dir() else folder for name, folder in stage.parents.items()
    }
    return stage.model_copy(update={"parents": moved})
