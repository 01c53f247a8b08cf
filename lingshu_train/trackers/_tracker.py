"""What a tracker is: the records it is given, and what its file has to define."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

from pydantic import JsonValue

from lingshu_train import naming
from lingshu_train.errors import RecipeError
from lingshu_train.schema import Strict

Variables = Mapping[str, str | None]
"""Environment variables to set; None: to leave out, whatever the user's shell says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A completion that a stage kept, with the encoded file of its image where there is one."""

    question: str
    answer: str
    completion: str
    status: str
    reward: float | None
    image: bytes | None

    @property
    def text(self) -> str:
        reward = "unscored" if self.reward is None else f"reward {self.reward:g}"
        asked = f"{self.question}\n\nright answer: {self.answer}"
        return f"{asked}\n\n{self.completion}\n\n{self.status}, {reward}"


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerLine:
    """One step of the ledger: its numbers by name, seconds of training up to it, and the completions kept at it."""

    step: int
    seconds: float
    values: Mapping[str, float]
    shown: tuple[Shown, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a tracker is told of a stage when its run is opened.

    `id` names the tracker's run, the same one after every resume; `name` is the stage's folder, `group` the recipe.
    `folder` is where the tracker may keep files. `step` is the last step it was known to have, `began` when it was first
    opened (Unix time). `config` is the stage's configuration, without paths of this machine.
    """

    id: str
    name: str
    group: str
    folder: Path
    step: int
    began: float
    config: Mapping[str, JsonValue]


class Tracker(Protocol):
    """An open run of a tracker. Lines come in order, each step once, from the first beyond `after`."""

    @property
    def after(self) -> int:
        """The last step that the tracker keeps from before, 0 where opening it began the run's record anew."""

    def log(self, line: LedgerLine) -> None: ...

    def close(self, *, done: bool) -> None:
        """Finish what was begun. `done` says whether the stage has finished, or may be resumed."""


class Component(Protocol):
    """What a file of trackers/ defines beside its Params."""

    PACKAGE: str
    """The package it needs, by the name it is imported by. Imported by `start` alone."""
    Params: type[Strict]

    def environment(self, params: Strict, folder: Path) -> Variables:
        """What the package reads when it is imported: no telemetry, nothing that leads it elsewhere."""

    def start(self, params: Strict, told: Told) -> Tracker:
        """Open the run, or go on with it. A record on this machine is begun anew, from the ledger's first line."""


def component(name: str, *, where: str) -> Component:
    """The file of that name. RecipeError lists the names there are."""
    return cast(Component, naming.component("lingshu_train.trackers", name, where=where, error=RecipeError))
