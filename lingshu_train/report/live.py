"""Keeps report.html up to date while a run goes on: it reads what the stages write, and writes the page.

`python -m lingshu_train.report.live RUN` is the process that `lingshu run` has beside it (running/reporting.py); it ends with
its standard input. `lingshu report RUN --watch` calls `watch`.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from lingshu_train.errors import LingshuError
from lingshu_train.report import page
from lingshu_train.runs import checkpoint, manifest, run

LOOK_S = 2.0
"""How often it is looked for what has changed."""
AT_LEAST_S = 60.0
"""After so many seconds the page is written anew in any case, for the steps between two checkpoints."""
State = frozenset[tuple[str, int]]


def watch(run_folder: Path, *, every_s: float, say: Callable[[str], None]) -> None:
    """Write the page now, and every so many seconds until no process runs the run any more."""
    while True:
        going = run.held(run_folder)
        path = page.write(run_folder)
        say(f"{time.strftime('%H:%M:%S')} {path}")
        if not going:
            return
        time.sleep(every_s)


def follow(run_folder: Path, over: Callable[[float], bool]) -> None:
    """Write the page at the start, whenever a stage begins, saves a checkpoint or ends, and each minute, until `over`."""
    seen: State | None = None
    written = 0.0
    while True:
        now = state(run_folder)
        if now != seen or time.monotonic() > written + AT_LEAST_S:
            page.write(run_folder)
            seen, written = now, time.monotonic()
        if over(LOOK_S):
            return


def state(run_folder: Path) -> State:
    """What the page is written anew for: stages that have begun or ended, and their checkpoints, with the times of writing."""
    names = ("stage.json", manifest.NAME, f"{checkpoint.FOLDER}/step-*")
    found = (path for name in names for path in run_folder.glob(f"*/{name}"))
    return frozenset((str(path), stamp) for path in found if (stamp := _stamp(path)))


def _stamp(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def until_input_ends(seconds: float) -> bool:
    """The launcher holds the other end, and lets go of it when the run is over or when it dies itself."""
    ready, _, _ = select.select([sys.stdin], [], [], seconds)
    return bool(ready)


def main(run_folder: Path) -> int:
    os.nice(10)
    for number in (signal.SIGTERM, signal.SIGINT):
        # A scheduler asks every process of a job to stop. This one stops when the run has.
        signal.signal(number, signal.SIG_IGN)
    try:
        follow(run_folder, until_input_ends)
    except LingshuError as fault:
        sys.stderr.write(f"{fault}\n")
        return fault.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
