"""A finished stage of one run taken over by another: a stage is named by all that determines it, so it need not run twice."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from lingshu_train.errors import DataError
from lingshu_train.runs import hashes, manifest
from lingshu_train.runs.files import failure, link_file, settle, sync, write_json
from lingshu_train.runs.manifest import Manifest
from lingshu_train.runs.stage import Stage

Describe = Callable[[Manifest, Stage, Path], tuple[str, ...]]
"""Given what is taken over, as which stage, and a folder: files that say of themselves what they were made from, written there
as they have to be here, by their names (hub/describing.py)."""


def take(stage: Stage, others: Sequence[Path], describe: Describe) -> Path | None:
    """Link the stage's files from the first of the run folders `others` that has finished it; the folder they came from.

    None where none has, where the stage has begun here, or where a stage that it reads is not done here. Files are linked, not
    copied: no run writes into what is finished. What `describe` writes anew is not linked. The folder is there whole or not at
    all.
    """
    if stage.path.exists() or not all(manifest.done(Path(folder)) for folder in stage.parents.values()):
        return None
    for other in others:
        source = other / stage.path.name
        made = _whole(source)
        if made and made.stage.content == stage.content:
            here = made.stage.model_copy(update={"folder": stage.folder, "parents": stage.parents})
            link(made, source, here, describe)
            return source
    return None


def _whole(folder: Path) -> Manifest | None:
    """The manifest of a finished stage, each of whose files has its hash. What is damaged is the other run's to tell."""
    try:
        return manifest.read(folder) if manifest.done(folder) and not manifest.damaged(folder) else None
    except DataError:
        return None


def link(made: Manifest, source: Path, stage: Stage, describe: Describe) -> None:
    """What `made` vouches for in `source` as the stage, which is not there yet. The records say which stage it is and where it
    lies now, as if it had run here; all else in them is of the run that made it."""
    beside = stage.path.with_name(f".{stage.path.name}.taking")
    read = {"inputs": manifest.parents_of(stage), "links": manifest.links_of(stage)}
    try:
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir(parents=True)
        anew = describe(made, stage, beside)
        for name in made.files:
            (beside / name).parent.mkdir(parents=True, exist_ok=True)
            link_file(source / name, beside / name)
        settle(beside, made.files)
        write_json(beside / "stage.json", stage.portable())
        found = hashes.of(beside / name for name in anew)
        files = {**made.files, **{name: str(found[beside / name]) for name in anew}}
        sizes = {**made.sizes, **{name: (beside / name).stat().st_size for name in anew}}
        taken = made.model_copy(update={"stage": stage, **read, "files": files, "sizes": sizes})
        write_json(beside / manifest.NAME, manifest.portable(taken))
        beside.rename(stage.path)
        sync(stage.path.parent)
    except OSError as fault:
        raise failure(stage.path, fault) from None
