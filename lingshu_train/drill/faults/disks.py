"""A full disk, a limit on files, a folder that may not be written. Needs the right to mount a small file system."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from lingshu_train.drill.command import Ended
from lingshu_train.drill.fault import Fault
from lingshu_train.drill.scene import Scene, Skip
from lingshu_train.runs import checkpoint

FULL = 74
_MIB = 1 << 20
_FILL = "fill"


def mount(place: Path, size: int) -> None:
    """A file system of so many bytes in this folder. Skip where that is not allowed."""
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "lingshu-drill", str(place)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise Skip(f"a small file system cannot be mounted here: {done.stderr.strip()}")


def unmount(place: Path) -> None:
    subprocess.run(["umount", "-l", str(place)], check=True)


def _mounted(scene: Scene, size: int) -> None:
    """The run's folder becomes a file system of so many bytes."""
    kept = scene.run.with_name("kept")
    os.rename(scene.run, kept)
    scene.run.mkdir()
    try:
        mount(scene.run, size)
    except Skip:
        scene.run.rmdir()
        os.rename(kept, scene.run)
        raise
    shutil.copytree(kept, scene.run, symlinks=True, dirs_exist_ok=True)


def _unmounted(scene: Scene) -> None:
    """What it holds goes back to the disk, the file aside that filled it: room has been made."""
    copy = scene.run.with_name("copy")
    shutil.copytree(scene.run, copy, symlinks=True, ignore=shutil.ignore_patterns(_FILL))
    unmount(scene.run)
    scene.run.rmdir()
    os.rename(copy, scene.run)


def fill(place: Path, *, leave: int) -> None:
    """Write until so many bytes are left."""
    with suppress(OSError), (place / _FILL).open("wb") as stream:
        room = shutil.disk_usage(place).free - leave
        stream.write(b"\0" * max(room, 0))


def _full(leave: int, *, at: int) -> Callable[[Scene], Ended]:
    """The disk fills up when the ledger tells of `at` steps; 0: before the command starts."""

    def do(scene: Scene) -> Ended:
        _mounted(scene, 32 * _MIB)
        try:
            if at == 0:
                fill(scene.run, leave=leave)
            process = scene.start()
            if at:
                scene.when_step(process, at)
                fill(scene.run, leave=leave)
            scene.struck()
            return scene.finish(process)
        finally:
            _unmounted(scene)

    return do


def _limited(scene: Scene) -> Ended:
    """No file may be larger than 200 kB (RLIMIT_FSIZE), as a quota has it."""
    return scene.finish(scene.start(preexec="ulimit -f 200"))


def _read_only(scene: Scene) -> Ended:
    """Mounted read-only at half way, as file servers do after a fault."""
    _mounted(scene, 32 * _MIB)
    try:
        subprocess.run(["mount", "-o", "remount,ro", str(scene.run)], check=True)
        return scene.go_on()
    finally:
        subprocess.run(["mount", "-o", "remount,rw", str(scene.run)], check=True)
        _unmounted(scene)


def _stays(scene: Scene) -> Ended:
    """What half a checkpoint has left behind is cleaned away, and the older one is whole."""
    ended = _full(300_000, at=4)(scene)
    if not checkpoint.existing(scene.folder):
        scene.harm = "no checkpoint is left"
    return ended


def _fault(name: str, says: str, do: Callable[[Scene], Ended], code: int = FULL) -> Fault:
    return Fault(name=name, number="F7", says=says, do=do, codes=(code,))


FAULTS = (
    _fault("disk_full_at_start", "no byte left before the stage starts", _full(0, at=0)),
    _fault("disk_full_at_save", "300 kB left at the second save", _stays).quickly(),
    _fault("disk_full_in_a_step", "no byte left in a step", _full(0, at=4)),
    _fault("file_limit", "no file above 200 kB", _limited),
    _fault("read_only", "the file system read-only", _read_only, 73),
)
