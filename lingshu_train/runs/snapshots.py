"""Where a stage's state lies between its copy and its checkpoint: in the host's memory (tmpfs), for this user alone to read."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

from lingshu_train.naming import digest

MEMORY = Path("/dev/shm")
"""The tmpfs that every Linux has; in a container it may be as small as 64 MB."""
_ROOM = 1.25
"""How much more must be free than is needed: running out of memory would end the stage."""


def fits(stage_folder: Path, needed: int) -> bool:
    """Whether so many bytes have room in the memory of this machine, and a folder of ours can be there."""
    try:
        room = shutil.disk_usage(MEMORY).free
    except OSError:
        return False
    return min(room, _available()) > needed * _ROOM and _ours(_root(stage_folder))


def machine() -> str:
    """The same for ranks that see the same memory, another for any other."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        found = MEMORY.stat()
    except OSError:
        return ""
    return f"{boot}/{found.st_dev}/{found.st_ino}"


def make(stage_folder: Path, step: int) -> Path:
    """The folder of one step; every rank of the machine may make it."""
    root = _root(stage_folder)
    root.mkdir(mode=0o700, exist_ok=True)
    if not _ours(root):
        raise PermissionError(13, "belongs to another user", str(root))
    folder = root / f"step-{step:08d}"
    folder.mkdir(exist_ok=True)
    return folder


def drop(stage_folder: Path) -> None:
    """Give back the memory of all that lies there, of a stage that was killed too."""
    if _ours(_root(stage_folder)):
        shutil.rmtree(_root(stage_folder), ignore_errors=True)


def _root(stage_folder: Path) -> Path:
    return MEMORY / f"lingshu-{os.getuid()}-{digest(str(stage_folder.absolute()))[:16]}"


def _ours(root: Path) -> bool:
    """A folder that someone else has made could be changed by him between the copy and its hash."""
    try:
        found = root.lstat()
    except FileNotFoundError:
        return True
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077


def _available() -> int:
    """Bytes that programs may still take on this machine; 0 where nobody says."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    found = {name: value for name, _, value in (line.partition(":") for line in lines)}
    return int(found.get("MemAvailable", "0 kB").split()[0]) * 1024
