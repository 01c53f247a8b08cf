"""Checkpoints that are whole or absent: hidden folder, hash and fsync every file, manifest last, rename, verify, prune.

Order is by the step in the name, never by modification time. A checkpoint whose hashes do not match is set aside, said
so, and the one before it is used; if none is left the run stops rather than start again from nothing.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from lingshu_train.documents import read_json
from lingshu_train.errors import DataError, MissingInput, OutputFailed
from lingshu_train.naming import file_digest
from lingshu_train.runs.files import ELSEWHERE, failure, sync, write_json
from lingshu_train.schema import Strict, parse

NAME = "checkpoint.json"
FOLDER = "checkpoints"


class Checkpoint(Strict):
    """checkpoint.json, written last inside the folder. `files` maps relative paths to sha256 digests."""

    step: int
    content: str
    world_size: int
    files: dict[str, str]
    bytes: int


def staging(stage_folder: Path, step: int) -> Path:
    """The hidden folder every rank writes its files into; on the same filesystem as the final one."""
    return stage_folder / FOLDER / f".writing-{step:08d}"


def place(stage_folder: Path, step: int) -> Path:
    return stage_folder / FOLDER / f"step-{step:08d}"


def commit(stage_folder: Path, written: Path, *, step: int, content: str, world_size: int) -> Path:
    """Turn a written folder into the checkpoint of `step`. The rename is the commit; `written` lies in staging()."""
    try:
        files = sorted(path for path in written.rglob("*") if path.is_file())
        for path in files:
            sync(path)
        record = Checkpoint(
            step=step,
            content=content,
            world_size=world_size,
            files={path.relative_to(written).as_posix(): file_digest(path) for path in files},
            bytes=sum(path.stat().st_size for path in files),
        )
        write_json(written / NAME, record.model_dump(mode="json"))
        target = place(stage_folder, step)
        if target.exists():
            shutil.rmtree(target)
        os.rename(written, target)
        sync(target.parent)
    except OSError as fault:
        raise failure(written, fault, instead=ELSEWHERE) from None
    shutil.rmtree(staging(stage_folder, step), ignore_errors=True)
    return target


def room(stage_folder: Path) -> None:
    """Refuse to start writing a checkpoint that cannot fit, judged by the size of the newest one."""
    found = existing(stage_folder)
    if not found:
        return
    needed = sum(path.stat().st_size for path in found[-1].rglob("*") if path.is_file())
    free = shutil.disk_usage(stage_folder).free
    if free < needed:
        raise OutputFailed(
            f"{stage_folder}: disk full: a checkpoint needs {needed / 2**20:.0f} MiB, {free / 2**20:.0f} MiB are free; "
            "free space and run the same command again"
        )


def newest(stage_folder: Path, *, content: str) -> tuple[Path | None, list[str]]:
    """The newest whole checkpoint of this stage, and one line for each that had to be set aside.

    Raises OutputFailed (74) where there are checkpoints, or some were set aside before, and none is whole.
    """
    set_aside: list[str] = []
    found = existing(stage_folder)
    for folder in reversed(found):
        fault = problem(folder, content=content)
        if fault is None:
            return folder, set_aside
        damaged = folder.with_name(f"damaged-{folder.name}-{len(list(folder.parent.glob('damaged-*')))}")
        folder.rename(damaged)
        set_aside.append(f"{folder}: {fault}; set aside as {damaged.name}")
    damaged_before = sorted(path.name for path in (stage_folder / FOLDER).glob("damaged-*"))
    if damaged_before:
        why = set_aside[0] if set_aside else f"set aside before: {', '.join(damaged_before)}"
        raise OutputFailed(
            f"{stage_folder / FOLDER}: no checkpoint is whole ({why}); "
            "restore one from a backup, or move the stage's folder away to start it again"
        )
    return None, set_aside


def problem(folder: Path, *, content: str) -> str | None:
    """Why a checkpoint cannot be used, or None."""
    path = folder / NAME
    if not path.is_file():
        return f"no {NAME}"
    try:
        record = parse(Checkpoint, read_json(path), where=f"{path}:", error=DataError)
    except (DataError, MissingInput) as fault:
        return f"{NAME} is unreadable ({fault})"
    if record.content != content:
        return "it belongs to another stage"
    if record.step != step_of(folder):
        return f"it is of step {record.step}"
    for name, expected in record.files.items():
        if not (folder / name).is_file():
            return f"{name} is missing"
        if file_digest(folder / name) != expected:
            return f"{name} has changed since it was written"
    return None


def step_of(folder: Path) -> int:
    return int(folder.name.removeprefix("step-"))


def prune(stage_folder: Path, *, keep: int) -> None:
    """Delete all but the `keep` newest whole checkpoints, and any half-written ones; the manifest goes first."""
    for folder in existing(stage_folder)[:-keep]:
        (folder / NAME).unlink(missing_ok=True)
        shutil.rmtree(folder)
    for folder in (stage_folder / FOLDER).glob(".writing-*"):
        shutil.rmtree(folder, ignore_errors=True)


def existing(stage_folder: Path) -> list[Path]:
    found = (stage_folder / FOLDER).glob("step-*")
    return sorted((path for path in found if path.name.removeprefix("step-").isdigit()), key=step_of)
