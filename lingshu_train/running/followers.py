"""A process for each tracker beside a stage, ended after it. One that hangs or fails costs a line, never the run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lingshu_train.runs import tracked
from lingshu_train.trackers import _choice as choice
from lingshu_train.trackers import _sharing as sharing
from lingshu_train.trackers._choice import Chosen
from lingshu_train.trackers._follow import KEEPS
from lingshu_train.trackers._tracker import component

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class _Started:
    chosen: Chosen
    process: subprocess.Popen[bytes]
    log: Path


@contextmanager
def beside(
    stage_folder: Path,
    chosen: Sequence[Chosen],
    *,
    cards: Collection[str],
    environment: Mapping[str, str],
    say: Say,
) -> Iterator[None]:
    """Follow the stage's ledger while the block runs. `cards` are the data cards behind the stage.

    After the block each tracker has its `wait_s` to finish, all at once; then it is killed. What went wrong is said in one
    line and noted for the report.
    """
    started = [
        _start(stage_folder, one, environment) for one in _allowed(stage_folder, chosen, cards=cards, say=say)
    ]
    try:
        yield
    finally:
        for one in started:
            assert one.process.stdin is not None
            one.process.stdin.close()
        since = time.monotonic()
        try:
            for one in started:
                fault = _end(one, since + one.chosen.wait_s)
                if fault:
                    _note(stage_folder, one.chosen.name, fault)
                    say(f"lingshu: {stage_folder.name}: tracker {one.chosen.name}: {fault}")
        finally:
            for one in started:
                _kill(one.process)


def _allowed(
    stage_folder: Path, chosen: Sequence[Chosen], *, cards: Collection[str], say: Say
) -> Sequence[Chosen]:
    """The trackers with `samples` as the cards allow it, written beside stage.json for the processes to read."""
    refused = sharing.refusal(cards) if any(one.samples for one in chosen) else ""
    if refused:
        names = ", ".join(one.name for one in chosen if one.samples)
        say(f"lingshu: {stage_folder.name}: no samples for tracker {names}: {refused}")
        chosen = [one.model_copy(update={"samples": False}) for one in chosen]
    if chosen:
        choice.write(stage_folder, chosen)
    return chosen


def _start(stage_folder: Path, chosen: Chosen, environment: Mapping[str, str]) -> _Started:
    """What the tracker's package prints goes to a file: the terminal is the run's."""
    params = chosen.parsed()
    own = component(chosen.name, where="trackers").environment(params, stage_folder.parent / KEEPS)
    variables = {**environment, **own}
    log = stage_folder / tracked.FOLDER / f"{chosen.name}.log"
    log.parent.mkdir(exist_ok=True)
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "lingshu_train.trackers._follow", str(stage_folder), chosen.name],
            env={name: value for name, value in variables.items() if value is not None},
            stdin=subprocess.PIPE,
            stdout=stream,
            stderr=stream,
            # Not of the launcher's group: a Ctrl-C is the run's, and killing takes the package's own helpers along.
            start_new_session=True,
        )
    return _Started(chosen, process, log)


def _end(one: _Started, deadline: float) -> str:
    """Wait until `deadline` for the process to finish; returns why the tracker does not have the whole stage."""
    again = f"training is not affected; send it again with `lingshu track RUN --tracker {one.chosen.name}`"
    try:
        code = one.process.wait(timeout=max(deadline - time.monotonic(), 0.0))
    except subprocess.TimeoutExpired:
        return f"not finished {one.chosen.wait_s:g} s after the stage, so it was ended; {again}"
    return f"{_last_line(one.log) or f'ended with exit code {code}'}; {again}" if code else ""


def _note(stage_folder: Path, name: str, fault: str) -> None:
    state = tracked.begin(stage_folder, name)
    tracked.write(stage_folder, name, state.model_copy(update={"fault": fault}))


def _kill(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _last_line(log: Path) -> str:
    lines = log.read_bytes()[-4096:].decode("utf-8", "replace").strip().splitlines()
    return lines[-1].strip()[:300] if lines else ""
