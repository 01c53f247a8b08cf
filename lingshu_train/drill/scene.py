"""A copy of a run in which one fault happens, and what a fault's own code may do there."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lingshu_train.drill import command, ground, tree
from lingshu_train.drill.command import Ended, Process
from lingshu_train.drill.drawn import StageName
from lingshu_train.drill.ground import Ground, Result, Start
from lingshu_train.errors import LingshuError
from lingshu_train.running import warm
from lingshu_train.runs import checkpoint, manifest


class Skip(LingshuError):
    """This machine cannot do the fault; says why."""


@dataclass(slots=True)
class Scene:
    """`run` is the run's folder, the faults' own to break. `draw` decides whatever is left to chance."""

    ground: Ground
    run: Path
    stage: StageName
    ranks: int
    draw: random.Random
    struck_at: float | None = None
    done_at: int = 0
    """Steps that the ledger told of when the fault was done."""
    begun_after: int = 0
    """Commands started since then."""
    harm: str = ""
    """Something that must not happen and has: it makes any end a silent one."""
    weighed: bool = True
    """Whether an end with 0 is held against the undisturbed run at once: not where the command was about something else."""
    expected: Result | None = None
    """What an undisturbed run comes to, where it is not the ground's."""
    settings: tuple[str, ...] = ()
    """Further settings of every command that trains the stage."""
    again: Callable[[], Ended] | None = None
    """The same command again, where that is another one than what trains the stage."""

    @property
    def folder(self) -> Path:
        """The folder of the stage that trains."""
        return ground.stage_folder(self.run, self.stage)

    @property
    def log(self) -> str:
        path = self.run.parent / f"{self.run.name}.log"
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    def words(
        self, *more: str, run: Path | None = None, recipe: Path | None = None, cards: Path | None = None
    ) -> list[str]:
        """The command line of this scene, or the same with something else in its place."""
        plain = self.ground.words(run or self.run, self.stage, self.ranks, recipe=recipe, cards=cards)
        return [*plain, *self.settings, *more]

    def start(
        self, *more: str, spoil: warm.Spoil | None = None, preexec: str = "", cold: bool = False
    ) -> Process:
        """The command that trains the stage. `more`: further settings, of this command alone."""
        return self.command(self.words(*more), spoil=spoil, preexec=preexec, cold=cold)

    def command(
        self,
        words: list[str],
        *,
        spoil: warm.Spoil | None = None,
        preexec: str = "",
        cold: bool = False,
        variables: dict[str, str] | None = None,
    ) -> Process:
        """Any command of ours."""
        self.begun_after += 1
        return command.start(
            words,
            log=self.run.parent / f"{self.run.name}.log",
            variables={**self.ground.environment(), **(variables or {})},
            cold=cold or self.ground.cold,
            spoil=spoil,
            preexec=preexec,
        )

    def finish(self, process: Process) -> Ended:
        return process.wait(self.ground.limit_s)

    def go_on(self, *more: str, spoil: warm.Spoil | None = None) -> Ended:
        """Run the command to its end."""
        return self.finish(self.start(*more, spoil=spoil))

    def alongside(self, spoil: warm.Spoil) -> Result:
        """What the stage comes to in a copy of the run in which something else happens."""
        copy = self.run.parent / "beside"
        shutil.copytree(self.run, copy, symlinks=True)
        ended = self.finish(self.command(self.words(run=copy), spoil=spoil))
        if ended.code != 0:
            raise LingshuError(f"the run to compare with ended with {ended.code}: {ended.line}")
        return ground.result(ground.stage_folder(copy, self.stage))

    def struck(self) -> None:
        """The fault has been done just now."""
        self.struck_at = time.monotonic()
        self.done_at = ground.steps_done(self.run, self.stage)
        self.begun_after = 0

    def when(self, process: Process, happened: Callable[[], bool]) -> None:
        command.when(process, happened, limit_s=self.ground.limit_s)

    def when_step(self, process: Process, step: int) -> None:
        self.when(process, lambda: ground.steps_done(self.run, self.stage) >= step)

    def kill(self, process: Process) -> Ended:
        """SIGKILL to all processes of a command."""
        self.struck()
        command.kill(process)
        return Ended(code=-signal.SIGKILL, seconds=0.0, line="", traceback=False)

    def ranks_of(self, process: Process) -> list[int]:
        """Process ids of the stage's ranks, in rank order."""
        found: set[int] = set()
        for path in self.folder.glob(".held/*.json"):
            try:
                holder = json.loads(path.read_text(encoding="utf-8"))
            except (OSError, ValueError):
                continue  # Just being written.
            found.add(holder["pid"])
        return [pid for pid in tree.below(process.pid) if pid in found]

    def of(self, stage: str) -> Path:
        """The folder of another stage of the run."""
        return ground.stage_folder(self.run, stage)

    def restore(self, *stages: str) -> None:
        """Put stages back as they were when the scene began, or finished where they had: from a backup, as a message asks."""
        whole = self.ground.run(self.stage, self.ranks, "done")
        for stage in stages:
            source = ground.stage_folder(whole, stage)
            shutil.rmtree(self.run / source.name, ignore_errors=True)
            shutil.copytree(source, self.run / source.name, symlinks=True)

    def put_back(self, start: Start) -> None:
        """The same of the stage that trains, as it was at its start or at half way."""
        for path in self.run.glob(f"{self.stage}-*"):
            shutil.rmtree(path)
        for path in self.ground.run(self.stage, self.ranks, start).glob(f"{self.stage}-*"):
            shutil.copytree(path, self.run / path.name, symlinks=True)

    def newest(self) -> Path:
        """The newest checkpoint of the stage."""
        return checkpoint.existing(self.folder)[-1]

    def result(self) -> Result:
        return ground.result(self.folder)

    def unlike(self) -> str:
        """How the finished stage differs from the undisturbed one; empty where every bit is equal."""
        try:
            if not manifest.done(self.folder):
                return "not finished"
            damaged = manifest.damaged(self.folder)
            if damaged:
                return f"its manifest does not vouch for {damaged[0]}"
            return self.result().unlike(self.expected or self.ground.undisturbed(self.stage, self.ranks))
        except (LingshuError, OSError, ValueError) as fault:
            return str(fault)

    @property
    def done(self) -> bool:
        """Whether the stage has finished."""
        with suppress(LingshuError):
            return manifest.done(self.folder)
        return False

    def resumed_at(self) -> int:
        """The step from which the finished stage was gone on with, the last time."""
        found = manifest.read(self.folder).results.get("resumed_at", 0)
        return found if isinstance(found, int) else 0

    def clear(self) -> None:
        shutil.rmtree(self.run.parent, ignore_errors=True)


def flip(path: Path, draw: random.Random) -> None:
    """Change one bit."""
    data = bytearray(path.read_bytes())
    data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
    rewrite(path, bytes(data))


def cut(path: Path) -> None:
    """Take away its second half."""
    data = path.read_bytes()
    rewrite(path, data[: len(data) // 2])


def rewrite(path: Path, data: bytes) -> None:
    """Other bytes in a file, as a disk or a stranger leaves them: a new file in the place of one that others link to."""
    beside = path.with_name(f"{path.name}.new")
    beside.write_bytes(data)
    os.replace(beside, path)
