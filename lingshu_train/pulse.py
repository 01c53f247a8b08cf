"""Signs of life from a rank to the process that started it, which ends the stage when one stands still.

The launcher hands each rank two open files, named in one variable: a pipe for the signs, and where all threads' stacks go when
it asks for them. A worker started by hand has neither, and gives no signs.
"""

from __future__ import annotations

import faulthandler
import os
import signal
from contextlib import suppress

from lingshu_train import environment

VARIABLE = "LINGSHU_PULSE"
BEGUN, RESTS, GOES_ON, ENDED = b"<", b"[", b"]", b">"
"""A window of steps begins, rests between two steps (one rank may measure or save), goes on, has ended. Rest is not timed."""
STACKS = signal.SIGUSR1
"""On this signal a rank writes the stacks of all its threads, wherever it is."""

_pipe: int | None = None
_stacks = -1


def start() -> None:
    """Once in a rank, at its first line: keep the two files to ourselves and be ready to tell the stacks."""
    global _pipe, _stacks
    told = environment.take(VARIABLE)
    if not told:
        return
    pipe, stacks = map(int, told.split(","))
    for number in (pipe, stacks):
        os.set_inheritable(number, False)
    # A launcher that is stopped itself (Ctrl-Z) reads nothing; the rank goes on.
    os.set_blocking(pipe, False)
    faulthandler.register(STACKS, file=stacks, all_threads=True)
    _pipe, _stacks = pipe, stacks


def pass_on() -> None:
    """Before this process begins anew (exec): the same launcher goes on listening."""
    if _pipe is not None:
        give(ENDED)
        os.set_blocking(_pipe, True)
        for number in (_pipe, _stacks):
            os.set_inheritable(number, True)
        environment.give(VARIABLE, f"{_pipe},{_stacks}")


def heard() -> bool:
    """Whether a launcher listens, which also says what ends this rank."""
    return _pipe is not None


def give(sign: bytes) -> None:
    """Tell the launcher, if there is one that listens."""
    if _pipe is not None:
        with suppress(BlockingIOError, BrokenPipeError):
            os.write(_pipe, sign)
