"""Runs steps of a stage again in a scratch folder: the recorded stage, its ledger up to a checkpoint, and that checkpoint."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

from lingshu_train.errors import LingshuError, MissingInput, RunAgain
from lingshu_train.running import launch
from lingshu_train.running.worker import reported
from lingshu_train.runs import checkpoint, ledger
from lingshu_train.runs.files import failure, link_file
from lingshu_train.runs.stage import Stage
from lingshu_train.training.divergence import NAME as LEFT_OUT

LOG = "replay.log"
"""Below the scratch folder: what the processes said."""
CORPUS = "corpus"
_POLL_S = 0.05
_NEVER = 10**6
"""Times `save_every`, a step that no stage comes to, as the scratch folder needs no checkpoint; a multiple fits windows."""


class Failed(LingshuError):
    """The steps could not be run again; carries the exit code of the rank that said why."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def start_of(stage: Stage, step: int) -> Path | None:
    """The newest whole checkpoint from before `step`; None: the stage's own start is nearest.

    MissingInput (66): neither is there.
    """
    for folder in reversed(checkpoint.existing(stage.path)):
        if checkpoint.step_of(folder) < step and checkpoint.problem(folder, content=stage.content) is None:
            return folder
    base = stage.about.starts_from
    if base and not (stage.parent(base) / "model").is_dir():
        raise MissingInput(
            f"{stage.path}: no whole checkpoint from before step {step}, and the model that the stage started from is gone "
            f"({stage.parent(base) / 'model'})"
        )
    return None


def scratch_of(stage: Stage, folder: Path, start: Path | None, *, device: str, threads: int) -> Stage:
    """The stage laid out in `folder` as if it had been stopped at `start`. Nothing below the run is written or renamed: the
    checkpoint's files are linked, or copied where that cannot be."""
    cluster = stage.cluster.model_copy(
        update={"threads": threads or stage.cluster.threads, **({"device": "cpu"} if device == "cpu" else {})}
    )
    every = stage.config.get("save_every")
    prompts = stage.config.get("rollout_prompts")
    window = every if isinstance(every, int) else prompts if isinstance(prompts, int) else 1
    never = {"save_every": window * _NEVER, "save_every_minutes": None, "save_beside": False}
    config = {**stage.config, **(never if "save_every" in stage.config else {})}
    again = stage.model_copy(update={"folder": str(folder), "cluster": cluster, "config": config})
    try:
        folder.mkdir(parents=True, exist_ok=True)
        beside = {
            name: str(_seen(Path(place), folder.parent / "read")) for name, place in stage.parents.items()
        }
        again = again.model_copy(update={"parents": beside})
        if start is not None:
            target = checkpoint.place(folder, checkpoint.step_of(start))
            for path in sorted(path for path in start.rglob("*") if path.is_file()):
                place = target / path.relative_to(start)
                place.parent.mkdir(parents=True, exist_ok=True)
                link_file(path, place)
            _ledger_until(stage.path, folder, checkpoint.step_of(start))
        if (stage.path / LEFT_OUT).is_file():
            shutil.copyfile(stage.path / LEFT_OUT, folder / LEFT_OUT)
    except OSError as fault:
        raise failure(folder, fault, instead="name another folder with --scratch") from None
    return again


def run(stage: Stage, *, last: int, tick: Callable[[int], None]) -> list[dict[str, Any]]:
    """Run the scratch stage until its ledger has step `last`; returns its lines. `tick` is told each step that is done.

    Failed: a rank ended before it, with its line and exit code. RunAgain (75): killed, or told to stop.
    """
    path = stage.write()
    with (stage.path / LOG).open("ab") as log, _stoppable():
        process = subprocess.Popen(
            launch.command(stage, path),
            env=launch.environment(stage),
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            while True:
                ended = process.poll() is not None
                lines = ledger.steps(stage.path, tolerate_torn_end=True)
                done = int(lines[-1]["step"]) if lines else 0
                tick(done)
                if done >= last:
                    return lines
                if ended:
                    raise _failed(stage, process.returncode, done)
                time.sleep(_POLL_S)
        finally:
            _end(process)


def _seen(place: Path, below: Path) -> Path:
    """A parent as the steps see it. What is stored beside a corpus when it is missing (lengths, chosen rows) must not be stored
    in the run: a corpus is a folder of links. A model is read where it lies."""
    if not (place / CORPUS).is_dir():
        return place
    target = below / place.name
    for source, links in ((place, target), (place / CORPUS, target / CORPUS)):
        links.mkdir(parents=True)
        for entry in source.iterdir():
            if entry.name != CORPUS:
                (links / entry.name).symlink_to(entry.resolve())
    return target


def _ledger_until(source: Path, target: Path, step: int) -> None:
    """The ledger's own bytes, up to a step."""
    kept = []
    known = {line["step"] for line in ledger.steps(source, tolerate_torn_end=True) if line["step"] <= step}
    data = (source / ledger.NAME).read_bytes()
    for place, line in enumerate(data.split(b"\n")[:-1]):
        if place < len(known):
            kept.append(line + b"\n")
    (target / ledger.NAME).write_bytes(b"".join(kept))


def _failed(stage: Stage, code: int, done: int) -> LingshuError:
    found = reported(stage)
    if found:
        return Failed(f"stage {stage.name}: the replay stopped after step {done}: {found[0]}", found[1])
    said = _last_line(stage.path / LOG)
    if code < 0 or code > 128:
        return RunAgain(
            f"stage {stage.name}: the replay was killed after step {done}; run the same command again"
        )
    return Failed(f"stage {stage.name}: the replay ended with exit code {code} after step {done}: {said}", 70)


def _last_line(path: Path) -> str:
    lines = path.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1] if lines else "nothing was said"


@contextmanager
def _stoppable() -> Iterator[None]:
    """SIGTERM and SIGHUP end the block with RunAgain (75), so that no process of ours is left behind."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise RunAgain("told to stop; run the same command again")

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill what we started, with all that it started: ranks stand in sessions of their own."""
    with suppress(ProcessLookupError):
        os.kill(process.pid, signal.SIGSTOP)
    for child in [*_children(process.pid), process.pid]:
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
    process.wait()


def _children(parent: int) -> list[int]:
    """Processes that a process started, and theirs, by the kernel's own list."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, ValueError, IndexError):
            # The name in parentheses may hold anything: the state and the parent stand after the last of them.
            above = int(entry.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[1])
            parents.setdefault(above, []).append(int(entry.parent.name))
    found, waiting = list[int](), [parent]
    while waiting:
        new = parents.get(waiting.pop(), [])
        found += new
        waiting += new
    return found
