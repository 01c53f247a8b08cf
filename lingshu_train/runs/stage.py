"""Stage: the one record that crosses from planning to training. It is stage.json: no torch before it, no Hydra after it."""

from __future__ import annotations

from pathlib import Path

from pydantic import JsonValue

from lingshu_train.documents import read_json, there
from lingshu_train.errors import DataError, MissingInput
from lingshu_train.kind import About
from lingshu_train.runs.cluster import Cluster
from lingshu_train.runs.files import ELSEWHERE, failure, write_json
from lingshu_train.schema import Strict, parse


class Stage(Strict):
    """One stage of a plan, with every path decided.

    `folder` is where everything the stage leaves behind goes; its name ends in the first 12 digits of `content`, the
    hash of all that determines the result. `parents` maps the stage names this one reads to their folders. `about` is what
    readers of the run need. `config` belongs to the kind (`stages/<kind>/config.py`), `model` is the recipe's block of that
    name (`model/settings.py`): both are plain data here and parsed once, by the worker.
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
    seed: int
    data_root: str
    version: str

    @property
    def path(self) -> Path:
        return Path(self.folder)

    def parent(self, name: str) -> Path:
        """The folder of a finished stage this one reads."""
        return Path(self.parents[name])

    def write(self) -> Path:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as fault:
            raise failure(self.path, fault, instead=ELSEWHERE) from None
        target = self.path / "stage.json"
        write_json(target, self.model_dump(mode="json"))
        return target


def read(path: Path) -> Stage:
    """Read stage.json. MissingInput where there is none, DataError where it is damaged."""
    if not there(path):
        raise MissingInput(f"{path}: no such stage file; `lingshu run RECIPE` writes it")
    return parse(Stage, read_json(path), where=f"{path}:", error=DataError)
