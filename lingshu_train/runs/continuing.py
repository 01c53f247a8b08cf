"""A stage that goes on from another's checkpoint, or is another's under a new name: where both come to the same bits so far.

Whoever calls this has found that they do. Files are linked where both lie on one file system; the other run loses nothing.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from lingshu_train.errors import DataError
from lingshu_train.runs import checkpoint, ledger, manifest, sharing
from lingshu_train.runs.files import failure, link_file
from lingshu_train.runs.stage import Stage


def begin(stage: Stage, other: Stage, step: int) -> Path:
    """The checkpoint of `step` of another stage as one of this: the same files, its ledgers among them, in a list of files that
    is this stage's. Nothing is done again where it is there already. DataError (65): it is not whole."""
    target = checkpoint.place(stage.path, step)
    if target.is_dir() and checkpoint.problem(target, content=stage.content) is None:
        return target
    source = checkpoint.place(other.path, step)
    if wrong := checkpoint.problem(source, content=other.content):
        raise DataError(f"{source}: {wrong}; `lingshu verify {other.path.parent}` tells what else is damaged")
    record = checkpoint.read(source)
    beside = checkpoint.staging(stage.path, step)
    try:
        shutil.rmtree(beside, ignore_errors=True)
        for name in sorted(record.files):
            (beside / name).parent.mkdir(parents=True, exist_ok=True)
            link_file(source / name, beside / name)
        for name in ledger.KEPT:
            if (source / ledger.CARRIED / name).is_file():
                shutil.copyfile(source / ledger.CARRIED / name, stage.path / name)
    except OSError as fault:
        raise failure(beside, fault) from None
    return checkpoint.commit(
        stage.path,
        beside,
        step=step,
        content=stage.content,
        world_size=record.world_size,
        optimizer_steps=record.optimizer_steps,
        divided=record.divided,
    )


def rename(stage: Stage, other: Stage, describe: sharing.Describe) -> Path:
    """A finished stage under this one's name: the same files and results, but for those that `describe` writes, and the
    manifest says which stage it is now. The folder is there whole or not at all. DataError (65): a file of the other is not
    what it left."""
    made = manifest.read(other.path)
    if damaged := manifest.damaged(other.path):
        raise DataError(f"{other.path / damaged[0]}: is damaged; {manifest.again(other.path)}")
    # What an earlier call may have begun.
    shutil.rmtree(stage.path, ignore_errors=True)
    sharing.link(made, other.path, stage, describe)
    return stage.path
