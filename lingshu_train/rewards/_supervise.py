"""The process between a run and a user's reward: it outlives the reward's own and ends whatever that has started.

On Linux it is the reaper of all its descendants: a child that left its session (setsid, a double fork) is handed to it, not
to init, and ends with the rest. Elsewhere only the session's own processes can be found. Standard library only.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

END = signal.SIGUSR1
"""What asks the supervisor to end all below it."""
_OTHERS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""A scheduler asks every process of a job to stop. The step that is to be finished first still needs its scores."""
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_PATIENCE_S = 10.0
"""How long descendants are looked for: killed ones that hang in the kernel are left to it."""


def supervise(serve: Callable[[], None]) -> int:
    """Run `serve` in a child and wait for its end, for END, or for the death of the run; then end every descendant.

    Returns the exit code to end with. How the child ended otherwise than well is a line on standard error.
    """
    run = os.getppid()
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    _prctl(_PR_SET_PDEATHSIG, END)
    told = False

    def tell(number: int, frame: object) -> None:
        nonlocal told
        told = True
        # The wait below goes on after a signal; it ends when there is nobody left to wait for.
        _kill_descendants()

    signal.signal(END, tell)
    for number in _OTHERS:
        # Not SIG_IGN, which programs that the reward starts would inherit.
        signal.signal(number, _heed_not)
    child = os.fork()
    if child == 0:
        _become(serve)
    # Only the child speaks with the run, which learns of its end by the end of its output.
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    code = 0
    # The run may have died before its death could be told.
    while os.getppid() == run and not told:
        try:
            pid, status = os.wait()
        except ChildProcessError:
            break
        if pid == child:
            code = os.waitstatus_to_exitcode(status)
            break
    end_descendants()
    if code and not told:
        sys.stderr.write(f"{_ending(code)}\n")
    return 1 if code else 0


def end_descendants() -> None:
    """Kill all descendants of this process and reap them, those too that are forked meanwhile."""
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        _kill_descendants()
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                continue
        except ChildProcessError:
            return
        time.sleep(0.005)


def _heed_not(number: int, frame: object) -> None:
    return


def _become(serve: Callable[[], None]) -> None:
    """The reward's own process, in a session of its own so that a signal to its group does not reach the supervisor."""
    code = 1
    try:
        signal.signal(END, signal.SIG_DFL)
        os.setsid()
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        serve()
        code = 0
    finally:
        sys.stderr.flush()
        os._exit(code)


def _kill_descendants() -> None:
    for pid in _descendants():
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)


def _descendants() -> list[int]:
    """Process ids below this one, by /proc."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        # The name in parentheses may hold anything; state and parent follow its last parenthesis.
        with contextlib.suppress(OSError, ValueError, IndexError):
            parent = int(entry.read_bytes().rpartition(b")")[2].split()[1])
            children.setdefault(parent, []).append(int(entry.parent.name))
    found: list[int] = []
    waiting = [os.getpid()]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += below
    return found


def _prctl(option: int, value: int) -> None:
    """Nothing where there is no such call."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def _ending(code: int) -> str:
    return (
        f"its process was killed by signal {-code}"
        if code < 0
        else f"its process ended with exit code {code}"
    )
