"""What Ray starts hears signals, though the process that starts it only remembers them."""

from __future__ import annotations

import os
import signal

from lingshu_train import stopping


def blocked_in_a_child() -> set[int]:
    """Signals that a forked child of this process does not hear."""
    read, write = os.pipe()
    pid = os.fork()
    if not pid:
        os.write(write, bytes(sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ()))))
        os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as stream:
        found = set(stream.read())
    os.waitpid(pid, 0)
    return found


def test_a_server_that_is_started_meanwhile_is_reachable() -> None:
    with stopping.listening(None):
        assert blocked_in_a_child() >= {signal.SIGTERM}, "a data loader is needed to the end of the step"
        with stopping.reachable():
            assert not blocked_in_a_child() & set(stopping.SIGNALS)
        assert blocked_in_a_child() >= {signal.SIGTERM}
