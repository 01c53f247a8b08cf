"""run.json: which stages make up a run, and who may write into its folder."""

from __future__ import annotations

import fcntl
import json
import os
import platform
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from filelock import lock_descriptor

from lingshu_train.documents import read_json, there
from lingshu_train.errors import CannotCreate, DataError, MissingInput, UsageError
from lingshu_train.kind import About
from lingshu_train.runs import manifest
from lingshu_train.runs import stage as stages
from lingshu_train.runs.files import ELSEWHERE, failure, write_json
from lingshu_train.runs.stage import Stage
from lingshu_train.schema import Inside, Name, Strict, parse

NAME = "run.json"
LOCK = ".lock"
AGAIN = "`lingshu run` of its recipe into this folder writes it again"

State = Literal["done", "unfinished", "to do", "damaged"]


class RunStage(Strict):
    """One stage of a run, in plan order. `folder` lies below the run folder."""

    name: Name
    kind: str
    folder: Inside
    about: About


class Run(Strict):
    """What run.json says. `plan` is the digest of the plan that wrote it; `path` is where it was found."""

    recipe: str
    stages: tuple[RunStage, ...]
    plan: str
    path: Path

    def folder(self, stage: RunStage) -> Path:
        """The stage's folder, also after the run was moved or copied elsewhere."""
        return self.path / Path(stage.folder).name

    def stage(self, name: str) -> RunStage:
        """The stage called `name`. MissingInput lists the names there are."""
        for stage in self.stages:
            if stage.name == name:
                return stage
        known = ", ".join(stage.name for stage in self.stages)
        raise MissingInput(f"{self.path}: no stage {name!r} in this run; it has: {known}")

    def state(self, stage: RunStage) -> State:
        """Done when the manifest stands, damaged when it cannot be read; unfinished when the stage was started and may be
        resumed."""
        folder = self.folder(stage)
        try:
            if manifest.done(folder):
                return "done"
        except DataError:
            return "damaged"
        return "unfinished" if (folder / "stage.json").is_file() else "to do"


def read(folder: Path) -> Run:
    """The run in `folder`. MissingInput when there is none, UsageError (64) for a file, DataError when run.json is damaged."""
    path = folder / NAME
    if not there(path):
        if there(folder) and not os.path.isdir(folder):
            raise UsageError(
                f"{folder}: a file, and a run is a folder; name the folder that `lingshu run` wrote"
            )
        what = f"no {NAME}, so this is not a run folder" if os.path.isdir(folder) else "no such folder"
        raise MissingInput(f"{folder}: {what}; `lingshu run RECIPE` makes one")
    try:
        return _read(path)
    except DataError as fault:
        raise DataError(f"{fault}; {AGAIN}") from None


def _read(path: Path) -> Run:
    data = read_json(path)
    if not isinstance(data, dict):
        raise DataError(f"{path}: must be an object with recipe, stages and plan")
    entries = data.get("stages")
    if isinstance(entries, list) and any(
        isinstance(stage, dict) and "folder" in stage and "about" not in stage for stage in entries
    ):
        raise DataError(
            f"{path}: written by a version before 0.3; look at it with that version, and give a new run another folder "
            "(output=FOLDER)"
        )
    return parse(Run, {**data, "path": str(path.parent.resolve())}, where=f"{path}:", error=DataError)


def write(folder: Path, *, recipe: str, stages: Sequence[Stage], plan: str) -> Run:
    """Claim `folder` for a recipe and record its stages; writing the same run again changes nothing.

    Other options of the same recipe may share the folder, since a stage's folder is named by its content.
    Raises CannotCreate for a folder that belongs to another recipe or holds something that is not a run.
    """
    refuse_foreign(folder, recipe)
    entries = [
        RunStage(name=stage.name, kind=stage.kind, folder=stage.path.name, about=stage.about).model_dump(
            mode="json"
        )
        for stage in stages
    ]
    data = {"recipe": recipe, "stages": entries, "plan": plan}
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as fault:
        raise failure(folder, fault, instead=ELSEWHERE) from None
    write_json(folder / NAME, data)
    return read(folder)


@contextmanager
def hold(folder: Path) -> Iterator[None]:
    """Keep other runs out of `folder` while the block runs. CannotCreate names the process that holds it.

    The lock is the kernel's (flock) and ends with the process, however it dies: no stale lock is ever left. It is taken
    on our own open file, never by filelock's other ways, which leave a file behind a killed process.
    The file stays, because deleting it would let a third process lock another file of the same name.
    """
    path = folder / LOCK
    try:
        folder.mkdir(parents=True, exist_ok=True)
        stream = path.open("a+", encoding="utf-8")
    except OSError as fault:
        raise failure(path, fault, instead=ELSEWHERE) from None
    with stream:
        try:
            mine = lock_descriptor(stream.fileno(), blocking=False)
        except OSError as fault:
            raise failure(path, fault, instead=ELSEWHERE) from None
        if not mine:
            raise CannotCreate(
                f"{folder}: in use by another run ({_owner(path)}); wait for it, or {ELSEWHERE}"
            )
        started = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        try:
            stream.truncate(0)
            said = json.dumps({"host": platform.node(), "pid": os.getpid(), "started": started}) + "\n"
            # Not through the stream's buffer, which a full disk would make fail once more when it is closed.
            os.write(stream.fileno(), said.encode())
        except OSError as fault:
            raise failure(path, fault, instead=ELSEWHERE) from None
        yield


def held(folder: Path) -> bool:
    """Whether a process is working on the run in `folder` now. The lock is shared for a moment to find out."""
    try:
        with (folder / LOCK).open("rb") as stream:
            fcntl.flock(stream.fileno(), fcntl.LOCK_SH | fcntl.LOCK_NB)
            return False
    except BlockingIOError:
        return True
    except OSError:
        return False


def _owner(path: Path) -> str:
    try:
        owner = json.loads(path.read_text(encoding="utf-8"))
        return f"host {owner['host']}, process {owner['pid']}, since {owner['started']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "it has not yet said who it is"


def refuse_foreign(folder: Path, recipe: str) -> None:
    if os.path.exists(folder) and not os.path.isdir(folder):
        raise CannotCreate(f"{folder}: is a file; {ELSEWHERE}")
    owner = _recipe(folder)
    if owner and owner != recipe:
        raise CannotCreate(f"{folder}: belongs to a run of recipe {owner!r}, not {recipe!r}; {ELSEWHERE}")
    if owner:
        return
    held = sorted(path.name for path in folder.iterdir() if path.name != LOCK) if folder.is_dir() else []
    if held:
        raise CannotCreate(f"{folder}: not empty and not a run (holds {', '.join(held[:3])}); {ELSEWHERE}")


def _recipe(folder: Path) -> str:
    """Whose run lies here; empty where none does. Where run.json was lost or cannot be read, its stages say it, when all of
    them say the same: run.json holds nothing else that a plan does not tell."""
    lost: DataError | None = None
    try:
        return read(folder).recipe
    except MissingInput:
        pass
    except DataError as fault:
        lost = fault
    owners = {stages.read(path).run for path in folder.glob("*/stage.json")}
    if lost and len(owners) != 1:
        raise lost
    return owners.pop() if len(owners) == 1 else ""


def trained_on(stages: Mapping[str, Stage], name: str) -> set[str]:
    """Data cards behind the weights of stage `name`: those of every stage it descends from, but
    not through measured results.

    `stages` maps names to the records of the run. A parent that is not among them adds nothing.
    """
    found: set[str] = set()
    waiting, seen = [name], set()
    while waiting:
        here = waiting.pop()
        if here in seen or here not in stages or stages[here].about.role == "results":
            continue
        seen.add(here)
        found |= set(stages[here].about.cards)
        waiting += stages[here].parents
    return found
