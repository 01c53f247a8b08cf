"""Processes of this machine: who one is, whether it lives, and ending together with who started one."""

from __future__ import annotations

import ctypes
import os
import platform
import signal
from contextlib import suppress
from pathlib import Path

_PR_SET_PDEATHSIG = 1
"""prctl(2): the signal a process gets when its parent ends."""


def machine() -> str:
    """This machine since it was started, and this container of it: within it a process id means one process."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot}/{os.stat('/proc/self/ns/pid').st_ino}"
    except OSError:
        return platform.node()


def born(pid: int) -> str | None:
    """When a process of this machine began, in the kernel's ticks: with its id that names it for good. None where it has
    ended, whether or not its parent has been told."""
    try:
        state = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None if os.path.isdir("/proc/self") else _born_elsewhere(pid)
    return None if state[0] in (b"Z", b"X") else state[19].decode()


def me() -> str:
    """This process, for `lives` to ask about."""
    return f"{os.getpid()}:{born(os.getpid())}"


def lives(name: str) -> bool:
    """Whether the process that `me` named still runs on this machine."""
    pid, _, began = name.partition(":")
    return born(int(pid)) == began


def command(pid: int) -> list[str]:
    """The command line of a process of this machine; empty where it has ended, or there is no /proc."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return []
    return [word.decode("utf-8", "replace") for word in words if word]


def end_with_parent() -> None:
    """Have the kernel kill this process when the one that started it ends, however that ends, and whatever this one does.

    On Linux alone. The kernel counts the thread that started it: to be started from a main thread.
    """
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _born_elsewhere(pid: int) -> str | None:
    """Where there is no /proc: alive, since we cannot know when."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        return ""
    return ""
