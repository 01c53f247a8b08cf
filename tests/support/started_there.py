"""A module or a file carried out as Python would, in a process that was forked (hatching.py) and whose own are forked too.

`python -m tests.support.started_there [--machine=NAME [--before=WORDS]] MODULE|FILE.py ARGUMENT...` does it on one of two machines,
where it is told which. For what is none of our modules, or takes hold of Popen when it is imported.
"""

from __future__ import annotations

import ctypes
import os
import platform
import runpy
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

NAME = "tests.support.started_there"
HASTY = Path(__file__).parent / "network" / "hasty"
TORCHRUN = "torch.distributed.elastic.multiprocessing.subprocess_handler.subprocess_handler"
_CLONE_NEWNET, _CLONE_NEWUTS, _CLONE_NEWNS = 0x40000000, 0x04000000, 0x00020000
"""sched.h, for setns(2) and unshare(2)."""


def worker(command: Sequence[str], what: str | Path) -> list[str]:
    """The command that starts a stage (launch.py), with a module or a file in place of the worker."""
    python, option, *words = command
    place = words.index("lingshu_train.running.worker")
    above = [*words[:place], NAME] if place else []
    return [python, option, NAME, *above, str(what), *words[place + 1 :]]


def main(argv: Sequence[str]) -> None:
    words = list(argv)
    given = {}
    while words[0].startswith("--"):
        key, _, value = words.pop(0).partition("=")
        given[key] = value
    if machine := given.get("--machine"):
        _enter(machine, given.get("--before", ""))
        os.environ["PYTHONPATH"] = f"{HASTY}:{os.environ['PYTHONPATH']}"
        runpy.run_path(str(HASTY / "sitecustomize.py"))
    if warm := sys.modules.get("lingshu_train.running.warm"):
        warm.FORKED = (*warm.FORKED, NAME)  # type: ignore[attr-defined]
    if handler := sys.modules.get(TORCHRUN):
        handler.Popen = subprocess.Popen  # type: ignore[attr-defined]
    sys.argv = words
    if words[0].endswith(".py"):
        sys.orig_argv = [sys.executable, *words]
        runpy.run_path(words[0], run_name="__main__")
    else:
        sys.orig_argv = [sys.executable, "-m", *words]
        runpy.run_module(words[0], run_name="__main__", alter_sys=True)


def _enter(machine: str, before: str) -> None:
    """Go where `two_machines.sh on` goes."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open(f"/run/netns/{machine}") as namespace:
        _done(libc.setns(namespace.fileno(), _CLONE_NEWNET))
    _done(libc.unshare(_CLONE_NEWUTS | _CLONE_NEWNS))
    socket.sethostname(machine)
    # What has been asked for the host's name before keeps it.
    vars(platform)["_uname_cache"] = None
    own = f"mount --make-rprivate / && mount --bind /etc/netns/{machine}/hosts /etc/hosts\n{before}"
    subprocess.run(["bash", "-e", "-c", own], check=True)


def _done(code: int) -> None:
    if code:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


if __name__ == "__main__":
    main(sys.argv[1:])
