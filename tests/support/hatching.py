"""Processes of ours that tests start are forked from one that has imported what they would import: seconds each are saved.

`subprocess.Popen` of a test process becomes `Hatched`, which asks a nursery (`running/nursery.py`) for `python -m lingshu_train...`
and starts everything else as always. What is forked is what the test's own command line starts, with the same files, variables,
folder and signals. `LINGSHU_COLD=1` starts all of them anew, and `cold` those of one test that is about the start itself.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any

import psutil
import started_there

from lingshu_train import environment
from lingshu_train.running import launch, warm
from lingshu_train.running.nursery import Files, Nursery

ROOT = Path(__file__).parents[2]
WHERE = os.environ.get("PYTHONPATH") or str(ROOT)
"""Of who runs the tests, where he has said so: with another the nursery would never fit, and each process start anew."""
FORKED = (*warm.FORKED, "lingshu_train.running.ranks", started_there.NAME, "ipykernel_launcher")
LATER = ("LINGSHU_CARDS", "LINGSHU_PLUGINS")
"""Folders that nothing of ours remembers: they are read whenever something of theirs is asked for, and a test process changes them
between its tests. They may differ; a user's nursery has one set of them."""
PATIENCE_S = 120.0
"""So long a nursery may import; on a quiet core it takes ten seconds."""
_lock = threading.Lock()
_nursery: Nursery | None = None
_cold = 0


def open_nursery() -> None:
    """Have one in this test process from now on."""
    global _nursery
    if sys.platform == "linux" and not environment.cold() and _nursery is None:
        own = {
            **os.environ,
            **launch.UNLESS_SET,
            **launch.SETTINGS,
            "OMP_NUM_THREADS": "1",
            "CUDA_VISIBLE_DEVICES": "",
        }
        own = {name: value for name, value in own.items() if name not in LATER}
        _nursery = Nursery({**own, "PYTHONPATH": WHERE})
        subprocess.Popen = Hatched  # type: ignore[misc, assignment]


def others(found: Iterable[psutil.Process]) -> list[psutil.Process]:
    """Processes below this one without the nursery and Python's own watch over shared memory, which no test has started."""
    own = {_nursery._process.pid if _nursery is not None else 0, resource_tracker._resource_tracker._pid}  # type: ignore[attr-defined]
    return [each for each in found if each.pid not in own]


@contextmanager
def cold() -> Iterator[None]:
    """Processes are started anew meanwhile."""
    global _cold
    _cold += 1
    try:
        yield
    finally:
        _cold -= 1


def _as_started(variables: dict[str, str]) -> dict[str, str]:
    """The same variables with those that the nursery has, where a test's command leaves them to a later process."""
    own = {**launch.UNLESS_SET, **launch.SETTINGS, "OMP_NUM_THREADS": "1", "PYTHONPATH": WHERE}
    same = {**own, **variables, "CUDA_VISIBLE_DEVICES": ""}
    return {name: value for name, value in same.items() if name not in LATER}


class Hatched(subprocess.Popen):  # type: ignore[type-arg]
    """Popen, whose child is forked by the nursery where that is the same."""

    def _execute_child(self, args: Any, executable: Any, preexec_fn: Any, *more: Any) -> None:
        close_fds, pass_fds, cwd, env, _, _, shell = more[:7]
        p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite = more[7:13]
        gid, gids, uid, umask, start_new_session, process_group = more[14:20]
        words = [os.fspath(word) for word in args] if isinstance(args, (list, tuple)) else []
        variables = dict(os.environ if env is None else env)
        usual = executable is None and preexec_fn is None and close_fds and not shell and process_group == -1
        usual = usual and gid is None and gids is None and uid is None and umask == -1
        fits = usual and not _cold and len(words) > 2 and words[2] in FORKED
        if fits and _nursery is not None and words[1] == "-m" and _same(words[0], variables):
            ours = [0 if p2cread == -1 else p2cread, 1 if c2pwrite == -1 else c2pwrite]
            ours.append(2 if errwrite == -1 else errwrite)
            kept = sorted(pass_fds)
            files = Files([0, 1, 2, *kept], [*ours, *kept])
            where = str(cwd) if cwd is not None else ""
            with _lock:
                pid = _nursery.fork(words, variables, files, cwd=where, session=start_new_session)
            if pid:
                self.pid, self._child_created = pid, True
                self._close_pipe_fds(p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite)  # type: ignore[attr-defined]
                return
        super()._execute_child(args, executable, preexec_fn, *more)  # type: ignore[misc]


def _same(python: str, variables: dict[str, str]) -> bool:
    """Whether the nursery was started with what this command would read at its start. One that still imports is waited for: a
    process of its own would import the same beside it, and be no sooner ready."""
    if _nursery is None or not _nursery.can([python, "-m", warm.RANK], _as_started(variables)):
        return False
    until = time.monotonic() + PATIENCE_S
    while not _nursery.ready and _nursery._process.poll() is None and time.monotonic() < until:
        time.sleep(0.05)
    return _nursery.ready
