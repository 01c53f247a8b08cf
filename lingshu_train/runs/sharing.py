"""A finished stage of one run taken over by another: a stage is named by all that determines it, so it need not run twice."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from lingshu_train.errors import DataError
from lingshu_train.naming import file_digest
from lingshu_train.runs import manifest
from lingshu_train.runs.files import failure, link_file, write_json
from lingshu_train.runs.manifest import Manifest
from lingshu_train.runs.stage import Stage


def take(stage: Stage, others: Sequence[Path]) -> Path | None:
    """Link the stage's files from the first of the run folders `others` that has finished it; the folder they came from.

    None where none has, where the stage has begun here, or where a stage that it reads is not done here. Files are linked, not
    copied: no run writes into what is finished. The folder is there whole or not at all.
    """
    if stage.path.exists() or not all(manifest.done(Path(folder)) for folder in stage.parents.values()):
        return None
    for other in others:
        source = other / stage.path.name
        made = _whole(source)
        if made and made.stage.content == stage.content:
            _link(made, source, stage)
            return source
    return None


def _whole(folder: Path) -> Manifest | None:
    """The manifest of a finished stage, each of whose files has its hash. What is damaged is the other run's to tell."""
    try:
        return manifest.read(folder) if manifest.done(folder) and not manifest.damaged(folder) else None
    except DataError:
        return None


def _link(made: Manifest, source: Path, stage: Stage) -> None:
    """The records say where the stage lies now, as if it had run here; all else in them is of the run that made it."""
    beside = stage.path.with_name(f".{stage.path.name}.taking")
    here = made.stage.model_copy(update={"folder": stage.folder, "parents": stage.parents})
    read = {name: file_digest(Path(folder) / manifest.NAME) for name, folder in sorted(stage.parents.items())}
    try:
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir(parents=True)
        for name in made.files:
            (beside / name).parent.mkdir(parents=True, exist_ok=True)
            link_file(source / name, beside / name)
        write_json(beside / "stage.json", here.model_dump(mode="json"))
        write_json(
            beside / manifest.NAME,
            made.model_copy(update={"stage": here, "inputs": read}).model_dump(mode="json"),
        )
        beside.rename(stage.path)
    except OSError as fault:
        raise failure(stage.path, fault) from None
