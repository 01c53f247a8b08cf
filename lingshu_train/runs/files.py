"""Writing so that a crash leaves either the old file or the new one, never half of it."""

from __future__ import annotations

import errno
import json
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lingshu_train.errors import CannotCreate, OutputFailed


def sync(path: Path) -> None:
    """Force a file or a folder entry to disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_text(path: Path, text: str) -> None:
    """Write beside, fsync, rename over, fsync the folder. Several threads may write the same file."""
    beside = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.tmp")
    try:
        with beside.open("w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        beside.replace(path)
        sync(path.parent)
    except OSError as fault:
        beside.unlink(missing_ok=True)
        raise failure(path, fault) from None


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path to write to, committed as `write_text` commits a text when the block ends; gone where it fails."""
    beside = path.with_name(f".{path.stem}.{os.getpid()}.tmp{path.suffix}")
    try:
        yield beside
        sync(beside)
        beside.replace(path)
    except OSError as fault:
        raise failure(path, fault) from None
    finally:
        beside.unlink(missing_ok=True)


def link_file(path: Path, target: Path) -> None:
    """The same file under another name, copied where that cannot be; nothing where `target` is there already."""
    if not target.exists():
        try:
            os.link(path, target)
        except OSError:
            shutil.copyfile(path, target)


def write_json(path: Path, data: object) -> None:
    write_text(path, json.dumps(data, indent=1, sort_keys=True, ensure_ascii=False) + "\n")


def failure(path: Path, fault: OSError) -> OutputFailed | CannotCreate:
    """The operating system's refusal as one line that says what would help."""
    if fault.errno == errno.ENOSPC:
        folder = next(place for place in (path, *path.parents) if place.exists())
        free = shutil.disk_usage(folder).free
        return OutputFailed(
            f"{path}: disk full ({free / 2**20:.0f} MiB free); free space and run the same command again"
        )
    if fault.errno in (errno.EACCES, errno.EROFS, errno.ENOTDIR, errno.EEXIST, errno.EPERM):
        return CannotCreate(f"{path}: {fault.strerror}; choose another folder with output=FOLDER")
    return OutputFailed(f"{path}: {fault.strerror}")
