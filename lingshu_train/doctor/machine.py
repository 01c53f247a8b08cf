"""Cores, memory, disks and limits of this machine."""

from __future__ import annotations

import os
import resource
import shutil
from collections.abc import Mapping
from pathlib import Path

from lingshu_train.doctor.finding import Finding

GIB = 2**30
_LEAST_DISK = 5 * GIB
"""The quickstart with its packages takes about 4 GB."""
_LEAST_MEMORY = 4 * GIB
_LEAST_SHARED = 1 * GIB
_LEAST_FILES = 1024
_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
SHARED = Path("/dev/shm")


def findings(places: Mapping[str, Path]) -> list[Finding]:
    """`places`: what is written or read, and where, each with the space that its disk has left."""
    return [
        _processor(),
        _memory(),
        *(_disk(name, path) for name, path in places.items()),
        _shared(),
        _files(),
    ]


def memory() -> int:
    """Bytes that processes here may use together: the machine's, or less where a container bounds them."""
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for file in _LIMITS:
        text = file.read_text(encoding="ascii").strip() if file.is_file() else ""
        if text.isdigit():
            total = min(total, int(text))
    return total


def free(path: Path) -> int:
    """Bytes left on the disk where `path` is, or would be made."""
    place = next(place for place in (path.absolute(), *path.absolute().parents) if place.exists())
    return shutil.disk_usage(place).free


def size(count: int) -> str:
    return f"{count / GIB:.1f} GiB"


def _processor() -> Finding:
    cores = len(os.sched_getaffinity(0))
    return Finding(
        name="processor", state="ok", told=f"{cores} core{'s' if cores > 1 else ''} for this process"
    )


def _memory() -> Finding:
    told = size(memory())
    if memory() < _LEAST_MEMORY:
        return Finding(
            name="memory", state="warn", told=told, advice=f"the quickstart wants {size(_LEAST_MEMORY)}"
        )
    return Finding(name="memory", state="ok", told=told)


def _disk(name: str, path: Path) -> Finding:
    told = f"{size(free(path))} free at {path}"
    if not _writable(path):
        advice = "name a folder that you may write to"
        return Finding(name=name, state="warn", told=f"{told}, which cannot be written", advice=advice)
    if free(path) < _LEAST_DISK:
        return Finding(
            name=name, state="warn", told=told, advice="free space before a run: a full disk stops it (74)"
        )
    return Finding(name=name, state="ok", told=told)


def _writable(path: Path) -> bool:
    place = next(place for place in (path.absolute(), *path.absolute().parents) if place.exists())
    return os.access(place, os.W_OK)


def _shared() -> Finding:
    if not SHARED.is_dir():
        return Finding(
            name="shared memory", state="warn", told=f"no {SHARED}", advice="loader_workers needs it"
        )
    room = shutil.disk_usage(SHARED).total
    if room < _LEAST_SHARED:
        advice = "in a container start it with --shm-size=8g, or leave loader_workers at 0"
        return Finding(name="shared memory", state="warn", told=f"{size(room)} at {SHARED}", advice=advice)
    return Finding(name="shared memory", state="ok", told=f"{size(room)} at {SHARED}")


def _files() -> Finding:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    told = f"{soft} at a time"
    if soft != resource.RLIM_INFINITY and soft < _LEAST_FILES:
        return Finding(name="open files", state="warn", told=told, advice=f"ulimit -n {min(hard, 65536)}")
    return Finding(name="open files", state="ok", told=told)
