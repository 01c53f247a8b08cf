"""Checkpoints that are whole or absent: hidden folder, hash and fsync every file, manifest last, rename, verify, prune.

Order is by the step in the name, never by modification time. A checkpoint whose hashes do not match is set aside, said
so, and the one before it is used; if none is left the run stops rather than start again from nothing.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NoReturn

from lingshu_train.documents import read_json
from lingshu_train.errors import DataError, LingshuError, MissingInput, NotPermitted, OutputFailed
from lingshu_train.naming import file_digest
from lingshu_train.runs import hashes, holding, signing
from lingshu_train.runs.files import ELSEWHERE, failure, settle, sync, write_json
from lingshu_train.runs.stage import Stage
from lingshu_train.schema import Inside, Strict, parse

NAME = "checkpoint.json"
FOLDER = "checkpoints"
_AT_ONCE = 8
"""Files hashed together."""
_BLOCK = 1 << 23
FOREIGN = "its list of files was changed, or not written by this installation"


class Checkpoint(Strict):
    """checkpoint.json, written last inside the folder. `files` maps relative paths to sha256 digests.

    `optimizer_steps`: what the optimizer itself has counted, told again after loading; None where nobody said. `divided`: what
    DeepSpeed divided; empty in older ones.
    """

    step: int
    content: str
    world_size: int
    files: dict[Inside, str]
    bytes: int
    optimizer_steps: int | None = None
    divided: str = ""
    signature: str = ""

    @property
    def signed(self) -> dict[str, object]:
        """What the signature is of."""
        return self.model_dump(mode="json", exclude={"signature"} | (set() if self.divided else {"divided"}))


def staging(stage_folder: Path, step: int) -> Path:
    """The hidden folder every rank writes its files into; on the same filesystem as the final one."""
    return stage_folder / FOLDER / f".writing-{step:08d}"


def place(stage_folder: Path, step: int) -> Path:
    return stage_folder / FOLDER / f"step-{step:08d}"


def commit(  # noqa: PLR0913 (each is written into the record)
    stage_folder: Path,
    written: Path,
    *,
    step: int,
    content: str,
    world_size: int,
    optimizer_steps: int | None = None,
    divided: str = "",
    digests: Mapping[str, str] | None = None,
) -> Path:
    """Turn a written folder into the checkpoint of `step`. The rename is the commit; `written` lies in staging(). `digests` are
    those of its files, where they have been forced to disk and hashed already.

    RunAgain (75) where another run has taken the stage over meanwhile.
    """
    holding.confirm(stage_folder)
    try:
        files = sorted(path for path in written.rglob("*") if path.is_file())
        names = [path.relative_to(written).as_posix() for path in files]
        if digests is None:
            digests = sealed(written, written, names)
        if set(digests) != set(names):
            raise LingshuError(
                f"{written}: nobody has hashed {', '.join(sorted(set(names) ^ set(digests)))}; nothing of it is kept"
            )
        settle(written, names)
        record = Checkpoint(
            step=step,
            content=content,
            world_size=world_size,
            files={name: digests[name] for name in names},
            bytes=sum(path.stat().st_size for path in files),
            optimizer_steps=optimizer_steps,
            divided=divided,
        )
        _sign(written, record)
        target = place(stage_folder, step)
        if target.exists():
            shutil.rmtree(target)
        os.rename(written, target)
        sync(target.parent)
    except OSError as fault:
        raise failure(written, fault, instead=ELSEWHERE) from None
    shutil.rmtree(staging(stage_folder, step), ignore_errors=True)
    return target


def sealed(source: Path, target: Path, names: Sequence[str], *, at_once: int = _AT_ONCE) -> dict[str, str]:
    """Move files from one folder to another, or leave them where both are one; force them to disk and hash them, each read
    once. OSError where that fails."""

    def one(name: str) -> str:
        if source == target:
            sync(target / name)
            return file_digest(target / name)
        return _moved(source / name, target / name)

    with ThreadPoolExecutor(at_once) as pool:
        return dict(zip(names, pool.map(one, names), strict=True))


def _moved(source: Path, target: Path) -> str:
    """Move a file from one file system to another; the digest of what was written."""
    target.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    with source.open("rb") as read, target.open("wb") as written:
        while block := read.read(_BLOCK):
            digest.update(block)
            written.write(block)
        written.flush()
        os.fsync(written.fileno())
    source.unlink()
    return digest.hexdigest()


_OWN = re.compile(r"(?:pp_rank_|rng_state_)(\d+)")
"""How DeepSpeed and transformers number the files that a rank writes for itself."""


def shared_out(sizes: Mapping[str, int], rank: int, near: Sequence[int]) -> list[str]:
    """Which files of a checkpoint `rank` forces to disk and hashes: its own, and of those that are no rank's own so many that
    all of the ranks `near` have about as many bytes to do."""
    own = {name: int(found[1]) for name in sizes if (found := _OWN.search(name))}
    load = {one: sum(sizes[name] for name, whose in own.items() if whose == one) for one in near}
    mine = [name for name, whose in own.items() if whose == rank]
    for _, name in sorted(((size, name) for name, size in sizes.items() if name not in own), reverse=True):
        taker = min(near, key=lambda one: (load[one], one))
        load[taker] += sizes[name]
        mine += [name] if taker == rank else []
    return sorted(mine)


def _sign(folder: Path, record: Checkpoint) -> None:
    write_json(folder / NAME, {**record.signed, "signature": signing.signature(record.signed)})


def adopt(stage_folder: Path) -> list[str]:
    """Sign the checkpoints of a stage that another installation wrote, and are whole otherwise; one line for each.

    Whoever calls this says that he trusts who wrote them: what DeepSpeed keeps can run code when it is opened.
    """
    told = []
    for folder in existing(stage_folder):
        record, fault = _record(folder)
        changed = fault if record is None else _unlike(folder, record)
        if record is None or changed:
            told.append(f"{folder}: {changed}; left as it is")
        elif not signing.ours(record.signed, record.signature):
            _sign(folder, record)
            told.append(f"{folder}: adopted, {len(record.files)} files")
    return told


def room(stage_folder: Path) -> None:
    """Refuse to start writing a checkpoint that cannot fit, judged by the size of the newest one."""
    if not (needed := newest_bytes(stage_folder)):
        return
    free = shutil.disk_usage(stage_folder).free
    if free < needed:
        raise OutputFailed(
            f"{stage_folder}: disk full: a checkpoint needs {needed / 2**20:.0f} MiB, {free / 2**20:.0f} MiB are free; "
            "free space and run the same command again"
        )


def newest_bytes(stage_folder: Path) -> int:
    """What the newest checkpoint takes on disk; 0 where there is none."""
    found = existing(stage_folder)
    return sum(path.stat().st_size for path in found[-1].rglob("*") if path.is_file()) if found else 0


def newest(stage_folder: Path, *, content: str) -> tuple[Path | None, list[str]]:
    """The newest whole checkpoint of this stage, and one line for each that had to be set aside.

    Raises OutputFailed (74) where there are checkpoints, or some were set aside before, and none is whole; NotPermitted (77)
    where the only ones are of another installation: nothing of theirs is opened.
    """
    # Without a key no checkpoint can be written: told at the start, not at the first of them.
    signing.signature({})
    faults: list[tuple[Path, str]] = []
    good: Path | None = None
    memory = hashes.Memory(stage_folder.parent)
    for folder in reversed(existing(stage_folder)):
        fault = problem(folder, content=content, memory=memory, again=True)
        if fault is None:
            memory.keep()
            good = folder
            break
        faults.append((folder, fault))
    foreign = [folder for folder, fault in faults if fault == FOREIGN]
    if good is None and foreign:
        _refuse_foreign(stage_folder, foreign[0])
    set_aside = [_set_aside(folder, fault) for folder, fault in faults]
    if good:
        return good, set_aside
    damaged_before = sorted(path.name for path in (stage_folder / FOLDER).glob("damaged-*"))
    if damaged_before:
        why = set_aside[0] if set_aside else f"set aside before: {', '.join(damaged_before)}"
        raise OutputFailed(
            f"{stage_folder / FOLDER}: no checkpoint is whole ({why}); "
            "restore one from a backup, or move the stage's folder away to start it again"
        )
    return None, set_aside


def _set_aside(folder: Path, fault: str) -> str:
    damaged = folder.with_name(f"damaged-{folder.name}-{len(list(folder.parent.glob('damaged-*')))}")
    folder.rename(damaged)
    return f"{folder}: {fault}; set aside as {damaged.name}"


def _refuse_foreign(stage_folder: Path, folder: Path) -> NoReturn:
    raise NotPermitted(
        f"{folder}: {FOREIGN} (the key is {signing.whose()}), so nothing of it is opened; if you trust who wrote it, "
        f"`lingshu adopt {stage_folder.parent}`, or set LINGSHU_KEY to the key that it was written with"
    )


def problem(
    folder: Path, *, content: str, memory: hashes.Memory | None = None, again: bool = False
) -> str | None:
    """Why a checkpoint cannot be used, or None. `again`: read every byte, also of what the memory knows."""
    record, fault = _record(folder)
    if record is None:
        return fault
    if record.content != content:
        return "it belongs to another stage"
    changed = _unlike(folder, record, memory=memory, again=again)
    return changed or (None if signing.ours(record.signed, record.signature) else FOREIGN)


def _record(folder: Path) -> tuple[Checkpoint | None, str]:
    if not (folder / NAME).is_file():
        return None, f"no {NAME}"
    try:
        return read(folder), ""
    except (DataError, MissingInput) as fault:
        return None, f"{NAME} is unreadable ({fault})"


def _unlike(
    folder: Path, record: Checkpoint, *, memory: hashes.Memory | None = None, again: bool = False
) -> str | None:
    """What of a checkpoint is not as its own list says; a file that the list does not know is one nobody vouches for."""
    if record.step != step_of(folder):
        return f"it is of step {record.step}"
    paths = [folder / name for name in record.files]
    found = memory.of(paths, again=again) if memory else hashes.of(paths)
    for name, expected in record.files.items():
        if found[folder / name] is None:
            return f"{name} is missing"
        if found[folder / name] != expected:
            return f"{name} has changed since it was written"
    there = [path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir()]
    more = {path.relative_to(folder).as_posix() for path in there if not path.name.startswith(".writing-")}
    unknown = sorted(more - set(record.files) - {NAME})
    return f"{unknown[0]} is not in its list of files" if unknown else None


def read(folder: Path) -> Checkpoint:
    """What a checkpoint says of itself. DataError (65) where that cannot be read, MissingInput (66) where it is not there."""
    path = folder / NAME
    return parse(Checkpoint, read_json(path), where=f"{path}:", error=DataError)


def step_of(folder: Path) -> int:
    return int(folder.name.removeprefix("step-"))


def prune(stage_folder: Path, *, keep: int) -> None:
    """Delete all but the `keep` newest whole checkpoints, and any half-written ones; the manifest goes first."""
    for folder in existing(stage_folder)[: -keep or None]:
        (folder / NAME).unlink(missing_ok=True)
        shutil.rmtree(folder)
    for folder in (stage_folder / FOLDER).glob(".writing-*"):
        shutil.rmtree(folder, ignore_errors=True)


def clear_finished(stage: Stage) -> None:
    """Delete the checkpoints that a stage with a manifest need not keep: all but `keep_finished` of its recipe, or none where
    that says nothing. Trained weights are never among them: they are in `model/`."""
    left = stage.config.get("keep_finished")
    if isinstance(left, int):
        prune(stage.path, keep=left)


def existing(stage_folder: Path) -> list[Path]:
    found = (stage_folder / FOLDER).glob("step-*")
    return sorted((path for path in found if path.name.removeprefix("step-").isdigit()), key=step_of)
