"""A request to stop (SIGTERM, SIGINT, SIGHUP), remembered from a process's first line to its last. Standard library only."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

Act = Callable[[signal.Signals], None]

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_asked: signal.Signals | None = None
_act: Act | None = None
_heeds = False
_interrupted = False


def asked() -> signal.Signals | None:
    """The signal that asked this process to stop, the first of them; None where there was none."""
    return _asked


def listen(act: Act | None = None) -> None:
    """From now on a request is remembered, and `act` called at each. Without `act` whoever works on has to look.

    What the caller's parent had ignored stays ignored (`nohup`, a shell's background job). A thread other than the main one
    cannot listen, and changes nothing.
    """
    global _act, _heeds
    if threading.current_thread() is not threading.main_thread():
        return
    _act, _heeds = act, True

    def handle(number: int, frame: FrameType | None) -> None:
        global _asked
        _asked = _asked or signal.Signals(number)
        if act is not None:
            act(signal.Signals(number))

    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handle)


def anew() -> None:
    """Forget requests and who listens, as a process does that has just been started."""
    global _asked, _act, _heeds, _interrupted
    _asked, _act, _heeds, _interrupted = None, None, False, False


@contextmanager
def listening(act: Act | None = None) -> Iterator[None]:
    """The same for a block that forgets afterwards: a run called from another program leaves its signals as they were."""
    global _asked
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    global _act, _heeds
    before = {number: signal.getsignal(number) for number in SIGNALS}
    already, acted, heeded = _asked, _act, _heeds
    _asked = None
    try:
        listen(act)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        _asked, _act, _heeds = already, acted, heeded


def interrupt(number: signal.Signals) -> None:
    """An `act` for whoever has nothing half-written: end the way Ctrl-C does."""
    global _interrupted
    _interrupted = True
    raise KeyboardInterrupt


def interrupted() -> bool:
    """Whether this process was ended that way, whoever has caught it."""
    return _interrupted


@contextmanager
def reachable() -> Iterator[None]:
    """What is started meanwhile hears signals as any program does, though requests are only remembered here: servers of others,
    whose processes end one another by signals."""
    global _heeds
    before, _heeds = _heeds, False
    try:
        yield
    finally:
        _heeds = before


def _forked() -> None:
    """A child that is forked while requests are only remembered (a data loader's process) is asked along with all others of a
    terminal or a Slurm step, and is needed to the end of the step. Its parent's end ends it. Any other child stops as usual."""
    if _heeds and _act is None:
        # Blocked, not ignored: torch gives its loaders a handler of their own afterwards.
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    elif _heeds:
        for number in SIGNALS:
            signal.signal(number, signal.SIG_DFL)


os.register_at_fork(after_in_child=_forked)
