"""Several scenes at once: each lane is a process forked from the drill's own, which has imported already, and does one
fault after another."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe, wait

from lingshu_train.drill import tree
from lingshu_train.drill.record import Row
from lingshu_train.errors import LingshuError
from lingshu_train.runs import processes

Do = Callable[[int], Row]


@dataclass(slots=True)
class _Lane:
    pid: int
    pipe: Connection

    def send(self, number: int | None) -> None:
        """What to do next; None: nothing more."""
        with suppress(BrokenPipeError):
            self.pipe.send(number)


def rows(count: int, do: Do, *, lanes: int) -> Iterator[tuple[int, Row]]:
    """`do` of 0 to `count` - 1 with its number, as each is done. A LingshuError of one ends all."""
    if lanes < 2:
        yield from ((number, do(number)) for number in range(count))
        return
    left = iter(range(count))
    with _started(min(lanes, count), do) as running:
        busy: dict[object, _Lane] = {lane.pipe: lane for lane in running}
        for lane in running:
            lane.send(next(left, None))
        while busy:
            for ready in wait([lane.pipe for lane in busy.values()]):
                lane = busy[ready]
                found = _received(lane)
                following = next(left, None)
                lane.send(following)
                if following is None:
                    del busy[ready]
                yield found


def _received(lane: _Lane) -> tuple[int, Row]:
    try:
        found: tuple[int, Row] | LingshuError = lane.pipe.recv()
    except EOFError:
        raise LingshuError("a process of the drill ended without a word") from None
    if isinstance(found, LingshuError):
        raise found
    return found


@contextmanager
def _started(count: int, do: Do) -> Iterator[list[_Lane]]:
    """Their processes. Where the block ends early they are ended with all that they have started."""
    running: list[_Lane] = []
    whole = False
    try:
        for _ in range(count):
            running.append(_forked(do))
        yield running
        whole = True
    finally:
        for lane in running:
            if not whole:
                tree.kill(lane.pid)
            # An orphan of another lane is nobody's to wait for.
            with suppress(ChildProcessError):
                os.waitpid(lane.pid, 0)
            lane.pipe.close()


def _forked(do: Do) -> _Lane:
    ours, theirs = Pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        theirs.close()
        return _Lane(pid, ours)
    try:
        ours.close()
        _work(theirs, do)
    except BaseException:  # noqa: BLE001 - as an interpreter tells what nobody has caught
        traceback.print_exc()
    finally:
        os._exit(0)


def _work(pipe: Connection, do: Do) -> None:
    """A lane's process. What its commands leave running is its own to find and to end."""
    # Ctrl-C is the drill's to act on. Not ignored, which what is started here would inherit.
    signal.signal(signal.SIGINT, lambda *_: None)
    processes.end_with_parent()
    tree.adopt_orphans()
    with suppress(EOFError, BrokenPipeError):
        while (number := pipe.recv()) is not None:
            try:
                pipe.send((number, do(number)))
            except LingshuError as fault:
                pipe.send(fault)
                return
