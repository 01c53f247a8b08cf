"""Which processes descend from one: to end all of them, and to see that none is left. Needs /proc, as Linux has it."""

from __future__ import annotations

import ctypes
import os
import signal
import time
from contextlib import suppress
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36
"""prctl(2): orphans of this process's descendants become its children."""


def adopt_orphans() -> None:
    """From now on a process whose parent died is a child of this one, so that nothing can be left running unseen."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)


def below(pid: int) -> list[int]:
    """All living descendants of a process, parents first."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                state, parent = (entry / "stat").read_bytes().rpartition(b")")[2].split()[:2]
                if state not in (b"Z", b"X"):
                    children.setdefault(int(parent), []).append(int(entry.name))
    found, todo = [], [pid]
    while todo:
        here = children.get(todo.pop(), [])
        found += here
        todo += here
    return found


def kill(pid: int) -> None:
    """SIGKILL a process and all its descendants."""
    for one in [*below(pid), pid]:
        with suppress(ProcessLookupError):
            os.kill(one, signal.SIGKILL)


def left(*, within_s: float) -> list[str]:
    """Command names of descendants of this process that are still there after so many seconds. They are killed."""
    until = time.monotonic() + within_s
    while True:
        _reap()
        alive = below(os.getpid())
        if not alive or time.monotonic() > until:
            break
        time.sleep(0.02)
    names = []
    for one in alive:
        with suppress(OSError):
            names.append((Path("/proc") / str(one) / "comm").read_text(encoding="utf-8").strip())
            os.kill(one, signal.SIGKILL)
    _reap()
    return names


def _reap() -> None:
    """Orphans that have ended wait for somebody to ask."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
