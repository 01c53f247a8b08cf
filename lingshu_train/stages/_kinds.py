"""The kinds of stage there are: one folder each, its Config in config.py, its run in run.py."""

from __future__ import annotations

import importlib
from typing import Protocol

from pydantic import JsonValue

from lingshu_train import naming
from lingshu_train.errors import RecipeError
from lingshu_train.kind import Facts, StageConfig
from lingshu_train.model.settings import Settings
from lingshu_train.runs.stage import Stage
from lingshu_train.schema import parse

PACKAGE = "lingshu_train.stages"


class Runner(Protocol):
    """`run` of stages/<kind>/run.py: does the stage on this rank and returns what the manifest says of it."""

    def __call__(self, stage: Stage, config: StageConfig, settings: Settings) -> Facts: ...


def read(data: dict[str, JsonValue], *, where: str) -> StageConfig:
    """A block of a recipe as its kind's Config. RecipeError (78) where there is no such kind, or a key is wrong."""
    kind = data.get("kind")
    if not isinstance(kind, str):
        raise RecipeError(f"{where}.kind: missing; stages/ has: {', '.join(naming.components(PACKAGE))}")
    naming.component(PACKAGE, kind, where=f"{where}.kind", error=RecipeError)
    found = config_class(kind)
    return parse(found, found.today(data), where=where, error=RecipeError)


def config_class(kind: str) -> type[StageConfig]:
    """The Config of a kind that exists. Imports no torch."""
    found: type[StageConfig] = importlib.import_module(f"{PACKAGE}.{kind}.config").Config
    return found


def run_of(kind: str) -> Runner:
    """What a worker calls. Imports torch where the kind does."""
    found: Runner = importlib.import_module(f"{PACKAGE}.{kind}.run").run
    return found
