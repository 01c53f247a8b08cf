"""The process that follows one stage's ledger for one tracker. It only reads what training writes.

`python -m lingshu_train.trackers._follow STAGE_FOLDER NAME`: until standard input ends, which says that the stage has.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from pydantic import JsonValue

from lingshu_train.errors import LingshuError
from lingshu_train.runs import manifest, results, tracked
from lingshu_train.runs.stage import Stage
from lingshu_train.runs.stage import read as read_stage
from lingshu_train.trackers import _choice as choice
from lingshu_train.trackers._choice import Chosen
from lingshu_train.trackers._lines import Lines
from lingshu_train.trackers._tracker import LedgerLine, Told, Tracker, component

POLL_S = 1.0
"""How often the ledger is looked at."""

NOTE_S = 10.0
"""How often what was sent is noted: each note is forced to the disk that training writes to."""

KEEPS = "trackers"
"""Where trackers keep their files, below the run's folder."""

Over = Callable[[float], bool]
"""Wait that many seconds at most, and say whether the stage is over."""


class Follower:
    """Sends what a stage's ledger says to one tracker, from the first line to the last."""

    def __init__(self, stage: Stage, folder: Path, chosen: Chosen) -> None:
        self._stage, self._folder, self._chosen = stage, folder, chosen
        self._params = chosen.parsed()
        self._state = tracked.begin(folder, chosen.name)
        self._lines = Lines(folder, image=self._image if chosen.samples else None)
        self._tracker: Tracker | None = None
        self._noted, self._noted_at = self._state, 0.0

    def follow(self, over: Over) -> None:
        """Until the stage is over and everything it wrote is sent."""
        self._catch_up()
        while not over(POLL_S):
            self._catch_up()
        # What was written between the last look and the end.
        self._catch_up()
        if self._tracker is None and (line := measured(self._folder)):
            self._send([line])
        self._end()

    def _catch_up(self) -> None:
        while (lines := self._lines.read()) != []:
            if lines is None:
                self._end()
            else:
                self._send(lines)
        if time.monotonic() > self._noted_at + NOTE_S:
            self._note()

    def _send(self, lines: list[LedgerLine]) -> None:
        if self._tracker is None:
            self._tracker = self._open()
        for line in lines:
            if line.step > self._tracker.after or not line.step:
                self._tracker.log(line)
        self._state = self._state.model_copy(update={"step": max(lines[-1].step, self._tracker.after)})

    def _open(self) -> Tracker:
        tracked.write(self._folder, self._chosen.name, self._state)
        told = Told(
            id=self._state.run,
            name=self._folder.name,
            group=self._stage.run,
            folder=self._folder.parent / KEEPS,
            step=self._state.step,
            began=self._state.began,
            config=settings(self._stage),
        )
        return component(self._chosen.name, where="trackers").start(self._params, told)

    def _end(self) -> None:
        if self._tracker is not None:
            self._tracker.close(done=manifest.done(self._folder))
            self._tracker = None
            self._note()

    def _note(self) -> None:
        if self._state != self._noted:
            tracked.write(self._folder, self._chosen.name, self._state)
            self._noted, self._noted_at = self._state, time.monotonic()

    def _image(self, digest: str) -> bytes | None:
        from lingshu_train.data.corpus import corpus

        recorded = [Path(parent) for parent in self._stage.parents.values()]
        # A run that was moved or copied has them beside this stage.
        places = [self._folder.parent / parent.name for parent in recorded] + recorded
        found = (corpus.stored(place / "corpus", digest) for place in places)
        return next((data for data in found if data is not None), None)


def settings(stage: Stage) -> Mapping[str, JsonValue]:
    """What the stage was given, without folders of this machine."""
    given = stage.model_dump(mode="json", include={"kind", "content", "seed", "world_size", "version"})
    return {**given, "config": stage.config, "model": stage.model}


def measured(stage_folder: Path) -> LedgerLine | None:
    """What an evaluation measured as one line, METRIC/MODEL/TASK; None where there is nothing."""
    found = results.read(stage_folder)
    values = {
        f"{metric}/{model}/{task}": value
        for model, tasks in found.models.items()
        for task, line in tasks.items()
        for metric, value in ({"accuracy": line.accuracy} | line.metrics).items()
    }
    return LedgerLine(step=0, seconds=0.0, values=values) if values else None


def until_input_ends(seconds: float) -> bool:
    """The launcher holds the other end, and lets go of it when the stage is over or when it dies itself."""
    ready, _, _ = select.select([sys.stdin], [], [], seconds)
    return bool(ready)


def main(folder: Path, name: str) -> int:
    os.nice(10)
    for number in (signal.SIGTERM, signal.SIGINT):
        # A scheduler asks every process of a job to stop. This one stops when its stage has, with what that wrote last.
        signal.signal(number, signal.SIG_IGN)
    try:
        chosen = next(one for one in choice.read(folder) if one.name == name)
        Follower(read_stage(folder / "stage.json"), folder, chosen).follow(until_input_ends)
    except LingshuError as fault:
        sys.stderr.write(f"{fault}\n")
        return fault.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2]))
