"""The recipe's `trackers`: which readers a run has, checked before the first stage."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path

from pydantic import Field, JsonValue

from lingshu_train.documents import there
from lingshu_train.errors import MissingInput, RecipeError
from lingshu_train.runs.files import write_json
from lingshu_train.schema import Name, Strict, load, parse
from lingshu_train.trackers._tracker import component

FILE = "trackers.json"
"""Beside stage.json, which stays the record of what determines the stage's bits."""


class Chosen(Strict):
    """One tracker that follows the run."""

    name: Name
    """A file of `trackers/`."""
    params: dict[str, JsonValue] = Field(default_factory=dict)
    """Its own settings: see the tracker."""
    samples: bool = False
    """Send questions, completions and images too, where every card behind the stage allows it."""
    wait_s: float = Field(default=30.0, gt=0)
    """Seconds that the end of a stage waits for the tracker to finish."""

    def parsed(self, *, where: str = "trackers") -> Strict:
        """The params as the tracker's own record. RecipeError (78) names the key."""
        model = component(self.name, where=f"{where}.name").Params
        return parse(model, self.params, where=f"{where}.params", error=RecipeError)


class _Written(Strict):
    trackers: tuple[Chosen, ...]


def check(chosen: Sequence[Chosen], *, where: str = "trackers") -> None:
    """RecipeError (78) for an unknown name or parameter, MissingInput (66) where its package is not installed."""
    names = [one.name for one in chosen]
    for place, one in enumerate(chosen):
        key = f"{where}.{place}"
        one.parsed(where=key)
        if names.count(one.name) > 1:
            raise RecipeError(f"{key}.name: {one.name!r} stands twice; a run has one of each tracker")
        package = component(one.name, where=key).PACKAGE
        if importlib.util.find_spec(package) is None:
            raise MissingInput(
                f"{key}.name: tracker {one.name!r} needs the package {package}, which is not installed: "
                'pip install -e ".[track]"'
            )


def write(stage_folder: Path, chosen: Sequence[Chosen]) -> None:
    write_json(stage_folder / FILE, _Written(trackers=tuple(chosen)).model_dump(mode="json"))


def read(stage_folder: Path) -> tuple[Chosen, ...]:
    """The trackers a stage was last run with; none where there were none."""
    path = stage_folder / FILE
    if not there(path):
        return ()
    return load(_Written, path, otherwise="move it away, and say the tracker's params again").trackers
