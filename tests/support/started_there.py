"""A module carried out as `python -m` would, in a process that was forked (hatching.py) and whose own are forked too.

`python -m tests.support.started_there [--machine=NAME [--before=WORDS]] MODULE ARGUMENT...` does it on one of two machines, where it
is told which. Launchers of others take hold of Popen when they are imported; workers with a fault in them are no modules of ours.
"""

from __future__ import annotations

import ctypes
import os
import runpy
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

NAME = "tests.support.started_there"
WORKERS = tuple(f"tests.support.{name}" for name in ("faulty_worker", "slow_first_rank", "unguarded"))
HASTY = Path(__file__).parent / "network" / "hasty"
TORCHRUN = "torch.distributed.elastic.multiprocessing.subprocess_handler.subprocess_handler"
_CLONE_NEWNET, _CLONE_NEWUTS, _CLONE_NEWNS = 0x40000000, 0x04000000, 0x00020000
"""sched.h, for setns(2) and unshare(2)."""


def worker(command: Sequence[str], name: str) -> list[str]:
    """The command that starts a stage (launch.py), with one of WORKERS in place of the worker."""
    python, option, *words = command
    place = words.index("lingshu_train.running.worker")
    (module,) = (each for each in WORKERS if each.endswith(f".{name}"))
    return [python, option, NAME, *words[:place], module, *words[place + 1 :]]


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
        warm.FORKED = (*warm.FORKED, *WORKERS)  # type: ignore[attr-defined]
    if handler := sys.modules.get(TORCHRUN):
        handler.Popen = subprocess.Popen  # type: ignore[attr-defined]
    sys.argv = words
    sys.orig_argv = [sys.executable, "-m", *words]
    runpy.run_module(words[0], run_name="__main__", alter_sys=True)


def _enter(machine: str, before: str) -> None:
    """Go where `two_machines.sh on` goes."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open(f"/run/netns/{machine}") as namespace:
        _done(libc.setns(namespace.fileno(), _CLONE_NEWNET))
    _done(libc.unshare(_CLONE_NEWUTS | _CLONE_NEWNS))
    socket.sethostname(machine)
    own = f"mount --make-rprivate / && mount --bind /etc/netns/{machine}/hosts /etc/hosts\n{before}"
    subprocess.run(["bash", "-e", "-c", own], check=True)


def _done(code: int) -> None:
    if code:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


if __name__ == "__main__":
    main(sys.argv[1:])
