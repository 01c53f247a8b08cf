"""Stage: the one record that crosses from planning to training. It is stage.json: no torch before it, no Hydra after it."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, JsonValue

from lingshu_train.documents import there
from lingshu_train.errors import MissingInput
from lingshu_train.kind import About
from lingshu_train.runs.cluster import Cluster
from lingshu_train.runs.files import ELSEWHERE, failure, write_json
from lingshu_train.runs.withdrawn import Gone
from lingshu_train.schema import Strict, load

AGAIN = "restore it from a backup, or move the stage's folder away and run the recipe again"
"""What helps where a file of a stage cannot be read."""


class Stage(Strict):
    """One stage of a plan, with every path decided.

    `folder` is where everything the stage leaves behind goes; its name ends in the first 12 digits of `content`, the
    hash of all that determines the result. `parents` maps the stage names this one reads to their folders. Both are
    absolute here and relative on disk (`.` and `../NAME`), so that a run that was moved or copied is whole. `about` is what
    readers of the run need. `config` belongs to the kind (`stages/<kind>/config.py`), `model` is the recipe's block of that
    name (`model/settings.py`): both are plain data here and parsed once, by the worker. `withdrawn`: of parents that are
    corpora, rows that keep their place and yield nothing. `world_size` are the processes that run it, `begun_on` those that
    name it, where they are others; `begun_with` is the division that names it, where `cluster` has another.
    """

    run: str
    name: str
    kind: str
    content: str
    folder: str
    parents: dict[str, str]
    about: About
    config: dict[str, JsonValue]
    model: dict[str, JsonValue]
    cluster: Cluster
    world_size: int
    begun_on: int = 0
    begun_with: str = ""
    seed: int
    data_root: str
    version: str
    withdrawn: dict[str, Gone] = Field(default_factory=dict)

    @property
    def named_world(self) -> int:
        """The number of processes that a step's samples and the stage's name go by."""
        return self.begun_on or self.world_size

    @property
    def path(self) -> Path:
        return Path(self.folder)

    @property
    def left_out(self) -> tuple[str, ...]:
        """The data cards that the recipe lists and the stage was told to do without."""
        found = self.config.get("left_out")
        return tuple(map(str, found)) if isinstance(found, list) else ()

    def parent(self, name: str) -> Path:
        """The folder of a finished stage this one reads."""
        return Path(self.parents[name])

    def portable(self) -> dict[str, JsonValue]:
        """As it is written down: without the place where the run lies."""
        beside = {
            name: f"../{Path(parent).name}" if Path(parent).parent == self.path.parent else parent
            for name, parent in self.parents.items()
        }
        return {**self.model_dump(mode="json"), "folder": ".", "parents": dict(beside)}

    def at(self, folder: Path) -> Stage:
        """As it was read in `folder`. What an older version wrote with its whole path is found where it lies now."""
        here, was = folder.absolute(), self.path
        parents = {name: Path(parent) for name, parent in self.parents.items()}
        found = {
            name: here.parent / parent.name
            if not parent.is_absolute() or (was.is_absolute() and parent.parent == was.parent)
            else parent
            for name, parent in parents.items()
        }
        return self.model_copy(
            update={"folder": str(here), "parents": {name: str(path) for name, path in found.items()}}
        )

    def write(self) -> Path:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as fault:
            raise failure(self.path, fault, instead=ELSEWHERE) from None
        target = self.path / "stage.json"
        write_json(target, self.portable())
        return target


def read(path: Path) -> Stage:
    """Read stage.json. MissingInput where there is none, DataError where it is damaged."""
    if not there(path):
        raise MissingInput(f"{path}: no such stage file; `lingshu run RECIPE` writes it")
    return load(Stage, path, otherwise=AGAIN).at(path.parent)
