"""The only reader of recipe YAML: Hydra composes once, in one process, into a frozen, checked Recipe."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import yaml
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import ConfigCompositionException, HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import Field, JsonValue, SerializeAsAny

from lingshu_train.errors import MissingInput, RecipeError
from lingshu_train.kind import StageConfig
from lingshu_train.model.settings import Settings
from lingshu_train.runs.cluster import Cluster
from lingshu_train.schema import Strict, parse
from lingshu_train.stages import _kinds as kinds
from lingshu_train.trackers import _choice as trackers
from lingshu_train.trackers._choice import Chosen

RECIPES = Path(__file__).resolve().parents[2] / "recipes"


class Block(Strict):
    """One entry of `stages`, read by its kind."""

    name: str
    config: SerializeAsAny[StageConfig]

    @property
    def where(self) -> str:
        return f"stages.{self.name}"


class _Document(Strict):
    """A composed recipe file. `pipeline` gives the order of the stages."""

    name: str
    title: str
    seed: int = Field(ge=0, lt=2**32)
    output: str = Field(min_length=1)
    data_root: str = Field(min_length=1)
    model: Settings
    cluster: Cluster
    pipeline: tuple[str, ...]
    stages: dict[str, dict[str, JsonValue]]
    trackers: tuple[Chosen, ...] = ()
    notes: dict[str, str] = Field(default_factory=dict)


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

    Raises RecipeError (78) for anything unknown or of a wrong type, MissingInput (66) for a file that is not there.
    """
    document = parse(_Document, _compose(name, overrides), where=f"recipe {name}", error=RecipeError)
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


def _compose(name: str, overrides: Sequence[str]) -> object:
    path = Path(name)
    mine = path.suffix in (".yaml", ".yml")
    if mine and not path.is_file():
        raise MissingInput(f"{name}: no such recipe file")
    if not mine and name not in names():
        raise RecipeError(f"unknown recipe {name!r}; recipes/ has: {', '.join(names())}")
    folder, stem = (path.resolve().parent, path.stem) if mine else (RECIPES, name)
    extra = [f"hydra.searchpath=[file://{RECIPES}]"] if mine and folder != RECIPES else []
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(config_dir=str(folder), version_base="1.3"):
            composed = compose(config_name=stem, overrides=[*extra, *overrides])
            _refuse_environment(OmegaConf.to_container(composed, resolve=False), where=f"recipe {name}")
            return OmegaConf.to_container(composed, resolve=True, throw_on_missing=True)
    except (ConfigCompositionException, HydraException, OmegaConfBaseException, yaml.YAMLError) as fault:
        raise RecipeError(f"recipe {name}: {_reason(fault)}") from None


def _refuse_environment(node: object, *, where: str) -> None:
    """A recipe is printed, hashed and published; a token read from the environment would go with it."""
    if isinstance(node, dict):
        for key, value in node.items():
            _refuse_environment(value, where=f"{where}.{key}")
    elif isinstance(node, list):
        for item in node:
            _refuse_environment(item, where=where)
    elif isinstance(node, str) and "${oc." in node:
        raise RecipeError(
            f"{where}: {node}: recipes read nothing from outside; write the value, or key=value on the command line"
        )


def _reason(fault: Exception) -> str:
    """Hydra's report in one line, its cause included: the cause is what names the key."""
    key = getattr(fault, "full_key", None)
    text = "\n".join([str(fault), *([str(fault.__cause__)] if fault.__cause__ else [])])
    lines = dict.fromkeys(line.strip() for line in text.splitlines())
    dropped = (
        "full_key",
        "object_type",
        "To append",
        "Config search path",
        "provider=",
        "set the environment",
    )
    kept = " ".join(line for line in lines if line and not line.startswith(dropped))
    return f"{key}: {kept}" if key and str(key) not in kept else kept
