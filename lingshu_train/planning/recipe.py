"""The only reader of recipes: composed once, in one process, into a frozen, checked Recipe."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from pydantic import Field, JsonValue, SerializeAsAny

from lingshu_train import shipped
from lingshu_train.documents import there
from lingshu_train.errors import MissingInput, RecipeError, UsageError
from lingshu_train.kind import StageConfig
from lingshu_train.model.settings import Settings
from lingshu_train.planning import composing, keys
from lingshu_train.runs.cluster import Cluster
from lingshu_train.schema import Strict, parse
from lingshu_train.stages import _kinds as kinds
from lingshu_train.trackers import _choice as trackers
from lingshu_train.trackers._choice import Chosen

RECIPES = shipped.folder("recipes")


class Block(Strict):
    """One entry of `stages`, read by its kind."""

    name: str
    config: SerializeAsAny[StageConfig]

    @property
    def where(self) -> str:
        return f"stages.{self.name}"


class Document(Strict):
    """A composed recipe file. `pipeline` gives the order of the stages."""

    name: str
    """The recipe's name, in lower case; a run folder belongs to one."""
    title: str
    """What it is, in a sentence."""
    seed: int = Field(ge=0, lt=2**32)
    """What decides weights, order, questions and sampling."""
    output: str = Field(min_length=1)
    """The run's folder. For example `runs/mine`."""
    data_root: str = Field(min_length=1)
    """The folder that holds the data of cards, each in one of its own."""
    model: Settings
    """Which model."""
    cluster: Cluster
    """Which processes."""
    pipeline: tuple[str, ...]
    """The stages to run, in this order, by their names in `stages`."""
    stages: dict[str, dict[str, JsonValue]]
    """What each stage does, by a name of your choice; `kind` decides which keys it has."""
    trackers: tuple[Chosen, ...] = ()
    """Programs that follow the run; none unless you say so."""
    notes: dict[str, str] = Field(default_factory=dict)
    """Of keys: what a reader must know, such as a value that is not the paper's. A plan prints them."""


class Recipe(Strict):
    """What to train, checked: every stage's configuration has been read by its kind.

    `notes` says of recipe keys what the reader must know: a value the paper states, or one that is ours and why.
    """

    name: str
    title: str
    seed: int
    output: str
    data_root: str
    model: Settings
    cluster: Cluster
    stages: tuple[Block, ...]
    trackers: tuple[Chosen, ...]
    notes: dict[str, str]


def names(folder: Path = RECIPES) -> list[str]:
    return sorted(path.stem for path in folder.glob("*.yaml"))


def load(name: str, overrides: Sequence[str] = ()) -> Recipe:
    """A recipe of this project by name, or a YAML file of the user's by path, with `key=value` overrides.

    Raises RecipeError (78) for anything unknown or of a wrong type, MissingInput (66) for a file that is not there, UsageError
    (64) where a key names several values (planning/sweep.py takes these).
    """
    _refuse_several(overrides)
    document = parse(Document, _compose(name, overrides), where=f"recipe {name}:", error=RecipeError)
    if not document.pipeline:
        raise RecipeError(f"pipeline: empty; stages has: {', '.join(document.stages)}")
    for stage in document.pipeline:
        if document.pipeline.count(stage) > 1:
            raise RecipeError(f"pipeline: {stage!r} stands twice; a stage runs once")
        if stage not in document.stages:
            raise RecipeError(f"pipeline: unknown stage {stage!r}; stages has: {', '.join(document.stages)}")
    trackers.check(document.trackers)
    blocks = tuple(
        Block(name=stage, config=kinds.read(document.stages[stage], where=f"stages.{stage}"))
        for stage in document.pipeline
    )
    for block in blocks:
        block.config.check(block.where)
        budget = document.model.budget
        block.config.check_pictures(
            block.where, grid=budget.grid, least=budget.min_pixels, most=budget.max_pixels
        )
    return Recipe(
        name=document.name,
        title=document.title,
        seed=document.seed,
        output=document.output,
        data_root=document.data_root,
        model=document.model,
        cluster=document.cluster,
        stages=blocks,
        trackers=document.trackers,
        notes=document.notes,
    )


def override(text: str) -> Override | None:
    """A `key=value` as Hydra reads it; None for what it cannot read, which `load` tells."""
    try:
        return OverridesParser.create().parse_override(text)
    except HydraException:
        return None


def _refuse_several(overrides: Sequence[str]) -> None:
    for text in overrides:
        one = override(text)
        if one is not None and one.is_sweep_override():
            raise UsageError(
                f"{text}: several values; add -m to run each in a folder of its own, or write a list as [a,b]"
            )


def _compose(name: str, overrides: Sequence[str]) -> dict[str, object]:
    path = Path(name)
    mine = path.suffix == ".yaml"
    if mine and not there(path):
        raise MissingInput(f"{name}: no such recipe file")
    if not mine and name not in names() and (path.suffix or os.sep in name) and there(path):
        raise RecipeError(f"{name}: a recipe of your own is a file whose name ends in .yaml")
    if not mine and name not in names():
        raise RecipeError(f"unknown recipe {name!r}; recipes/ has: {', '.join(names())}")
    file = Path(os.path.realpath(path)) if mine else RECIPES / f"{name}.yaml"
    try:
        return composing.composed(file, overrides, shipped=RECIPES)
    except composing.Refused as fault:
        raise RecipeError(f"recipe {name}: {_advised(file, overrides, fault)}") from None


def _advised(file: Path, overrides: Sequence[str], fault: composing.Refused) -> str:
    """The line that names the key which is not there and the nearest; Hydra's own where the fault is another."""
    if not fault.absent:
        return str(fault)
    try:
        written = composing.composed(file, shipped=RECIPES)
    except RecipeError:
        return str(fault)
    found = (
        keys.advice(override, written, Document)
        for override in overrides
        if override.lstrip("+~").startswith(fault.absent)
    )
    return next(filter(None, found), str(fault))
