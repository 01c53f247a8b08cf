"""A process for each tracker beside a stage, ended after it. One that hangs or fails costs a line, never the run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from lingshu_train.errors import LingshuError
from lingshu_train.runs import tracked
from lingshu_train.runs.stage import Stage
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
    stage: Stage,
    chosen: Sequence[Chosen],
    *,
    cards: Collection[str],
    environment: Mapping[str, str],
    say: Say,
) -> Iterator[None]:
    """Follow a stage that trains or measures while the block runs. `cards` are the data cards behind its weights.

    After the block each tracker has its `wait_s` to finish, all at once; then it is killed. What went wrong is said in one
    line and noted for the report.
    """
    started: list[_Started] = []
    try:
        if stage.about.trains or stage.about.role == "results":
            for tracker in _allowed(stage, chosen, cards=cards, say=say):
                started.append(_start(stage.path, tracker, environment))
    except (LingshuError, OSError) as refusal:
        say(f"lingshu: {stage.name}: not every tracker was started: {refusal}; training is not affected")
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
                    say(f"lingshu: {stage.name}: tracker {one.chosen.name}: {fault}")
                    _note(stage.path, one.chosen.name, fault)
        finally:
            for one in started:
                _kill(one.process)


def _allowed(stage: Stage, chosen: Sequence[Chosen], *, cards: Collection[str], say: Say) -> Sequence[Chosen]:
    """The trackers with `samples` as the cards allow it, written beside stage.json for the processes to read."""
    asked = [one.name for one in chosen if one.samples and stage.about.trains]
    refused = sharing.refusal(cards) if asked else ""
    if refused:
        say(f"lingshu: {stage.name}: no samples for tracker {', '.join(asked)}: {refused}")
    allowed = [one.model_copy(update={"samples": one.name in asked and not refused}) for one in chosen]
    if allowed:
        others = {one.name: one for one in choice.read(stage.path)}
        choice.write(stage.path, list((others | {one.name: one for one in allowed}).values()))
    return allowed


def _start(stage_folder: Path, chosen: Chosen, environment: Mapping[str, str]) -> _Started:
    """What the tracker's package complains of goes to a file: the terminal is the run's."""
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
            stdout=subprocess.DEVNULL,
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
    if code < 0:
        return f"killed by signal {-code}; {again}"
    return f"{_last_line(one.log) or f'ended with exit code {code}'}; {again}" if code else ""


def _note(stage_folder: Path, name: str, fault: str) -> None:
    """For the report. A disk that is full by now has nothing to do with how the stage ended."""
    with suppress(LingshuError):
        state = tracked.begin(stage_folder, name)
        tracked.write(stage_folder, name, state.model_copy(update={"fault": fault}))


def _kill(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _last_line(log: Path) -> str:
    said = log.read_bytes()[-4096:].decode("utf-8", "replace").strip().splitlines()
    # What an interpreter that ends begins to say of a thread, and has no time for.
    lines = [line for line in said if not line.startswith("Exception in thread")]
    return lines[-1].strip().rstrip(".")[:300] if lines else ""
