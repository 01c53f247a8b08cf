"""Writing so that a crash leaves either the old file or the new one, never half of it; no output over its own input."""

from __future__ import annotations

import errno
import json
import os
import secrets
import shutil
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from lingshu_train.errors import CannotCreate, OutputFailed, UsageError

ELSEWHERE = "choose another folder with output=FOLDER"
"""What helps where the output folder of a run cannot be used."""
_FULL = (errno.ENOSPC, errno.EDQUOT)
_REFUSED = (
    errno.EACCES,
    errno.EROFS,
    errno.ENOENT,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.EEXIST,
    errno.EPERM,
    errno.ENAMETOOLONG,
    errno.ELOOP,
    errno.ENOTEMPTY,
)


def sync(path: Path) -> None:
    """Force a file or a folder entry to disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def settle(folder: Path, names: Iterable[str]) -> None:
    """Force files below `folder`, and every folder on the way to them, to disk: before a list that vouches for them is."""
    paths = [folder / name for name in names]
    for path in paths:
        sync(path)
    between = {above for path in paths for above in path.parents if above.is_relative_to(folder)}
    for above in sorted(between, key=lambda one: -len(one.parts)):
        sync(above)


def write_text(path: Path, text: str) -> None:
    """Write beside, fsync, rename over, fsync the folder. Several threads may write the same file."""
    with replacing(path) as beside, beside.open("w", encoding="utf-8") as stream:
        stream.write(text)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path to write to, which takes the place of `path` when the block ends; gone where it fails, and `path` as it was.

    The new file has the permissions of the old one, and a link goes on pointing where it did. A device or a pipe is written
    as it is: nothing may take its place.
    """
    if os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path):
        yield path
        return
    target = Path(os.path.realpath(path))
    beside = target.with_name(f".writing-{secrets.token_hex(6)}{target.suffix}")
    try:
        yield beside
        if os.path.isfile(target):
            shutil.copymode(target, beside)
        sync(beside)
        beside.replace(target)
        sync(target.parent)
    except OSError as fault:
        raise failure(path, fault) from None
    finally:
        _drop(beside)


def _drop(path: Path) -> None:
    """What was to be written, where it still lies there. That it cannot be removed is not what went wrong first."""
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return


def refuse_input(out: Path, *inputs: Path) -> None:
    """UsageError (64) where `out` is one of the inputs under any name: a link, another spelling, the other case."""
    for one in inputs:
        if os.path.exists(out) and os.path.exists(one) and os.path.samefile(out, one):
            raise UsageError(
                f"{out}: is also the input {one}, which would be lost; give the output another name"
            )


def refuse_own_output(file: Path, out: IO[str]) -> None:
    """UsageError (64) where what is written to an open stream goes into the file that is read."""
    try:
        there = os.fstat(out.fileno())
    except (OSError, ValueError):
        return  # No file at all, such as a text in memory.
    if stat.S_ISREG(there.st_mode) and os.path.exists(file) and os.path.samestat(there, file.stat()):
        raise UsageError(f"{file}: is also where the output goes; send it to another file")


def link_file(path: Path, target: Path) -> None:
    """The same file under another name, copied where that cannot be; nothing where `target` is there already."""
    if not target.exists():
        try:
            os.link(path, target)
        except OSError:
            shutil.copyfile(path, target)


def write_json(path: Path, data: object) -> None:
    write_text(path, json.dumps(data, indent=1, sort_keys=True, ensure_ascii=False) + "\n")


def failure(path: Path, fault: OSError, *, instead: str = "") -> OutputFailed | CannotCreate:
    """The operating system's refusal as one line that says what would help. `instead`: what to do where the place itself
    cannot be written."""
    if fault.errno in _FULL:
        folder = next(place for place in (path, *path.absolute().parents) if os.path.exists(place))
        free = shutil.disk_usage(folder).free
        return OutputFailed(
            f"{path}: disk full ({free / 2**20:.0f} MiB free); free space and run the same command again"
        )
    if fault.errno in _REFUSED:
        return CannotCreate(f"{path}: {fault.strerror}" + (f"; {instead}" if instead else ""))
    return OutputFailed(f"{path}: {fault.strerror or fault}")
