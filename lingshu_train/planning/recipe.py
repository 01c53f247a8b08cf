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
from lingshu_train.documents import read_json, there
from lingshu_train.errors import MissingInput, RecipeError, UsageError
from lingshu_train.kind import StageConfig
from lingshu_train.model.settings import Settings
from lingshu_train.planning import bounds, composing, keys, leaving_out
from lingshu_train.rollouts._choice import Choice
from lingshu_train.runs.cluster import Cluster
from lingshu_train.runs.withdrawn import Withdrawn
from lingshu_train.schema import Name, Strict, parse
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

    name: Name
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
    pipeline: tuple[Name, ...]
    """The stages to run, in this order, by their names in `stages`."""
    before: tuple[Name, ...] = ()
    """Stages that run before those of `pipeline`: what a part such as `+with=synthesis` adds to any recipe."""
    stages: dict[Name, dict[str, JsonValue]]
    """What each stage does, by a name of your choice; `kind` decides which keys it has."""
    without: tuple[Name, ...] = ()
    """Data cards that no stage reads, though the recipe lists them: what one cannot have. A part of a mixture keeps its share
    while a card of it is left; what goes leaves its share to the others in proportion. For example `[synth_vqa, mimic_cxr]`."""
    withdrawn: str = ""
    """A file of rows that keep their place in the order and yield nothing, as `lingshu forget` writes it; empty: none."""
    trackers: tuple[Chosen, ...] = ()
    """Programs that follow the run; none unless you say so."""
    notes: dict[str, str] = Field(default_factory=dict)
    """Of keys: what a reader must know, such as a value that is not the paper's. A plan prints them."""

    @property
    def order(self) -> tuple[str, ...]:
        """All stages that run, in their order."""
        return (*self.before, *self.pipeline)


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
    without: tuple[str, ...] = ()
    withdrawn: Withdrawn | None = None


def names(folder: Path = RECIPES) -> list[str]:
    return sorted(path.stem for path in folder.glob("*.yaml"))


def _check_quantized(document: Document, block: Block) -> None:
    """4 bits are no number that DeepSpeed could divide."""
    block.config.check_quantized(block.where)
    begun = document.cluster.dividing(block.config.divided)
    moved = begun.gone_on()
    divided = begun.divides(begun.processes) or moved.divides(moved.continue_on or moved.processes)
    if divided:
        raise RecipeError(
            f"model.quantize: {document.model.quantize} beside cluster.deepspeed {moved.deepspeed}, which cannot divide "
            "weights in 4 bits; cluster.deepspeed=none: adapters are small, so that there is little to divide"
        )


def _check_offload(cluster: Cluster) -> None:
    """DeepSpeed moves what it divides."""
    if not cluster.offloads:
        return
    if cluster.deepspeed == "none":
        raise RecipeError(
            f"cluster.offload: {cluster.offload} is DeepSpeed's work, and cluster.deepspeed is none; cluster.deepspeed=zero2"
        )
    if cluster.offload == "all" and cluster.deepspeed != "zero3":
        raise RecipeError(
            f"cluster.offload: all moves weights too, which cluster.deepspeed={cluster.deepspeed} keeps whole in each process; "
            "cluster.deepspeed=zero3, or cluster.offload=optimizer"
        )


def load(name: str, overrides: Sequence[str] = ()) -> Recipe:
    """A recipe of this project by name, or a YAML file of the user's by path, with `key=value` overrides.

    Raises RecipeError (78) for anything unknown or of a wrong type, MissingInput (66) for a file that is not there, UsageError
    (64) where a key names several values (planning/sweep.py takes these).
    """
    bounds.check_overrides(overrides)
    _refuse_several(overrides)
    return read(_compose(name, overrides), where=f"recipe {name}:")


def read(data: object, *, where: str) -> Recipe:
    """A composed recipe, checked: RecipeError (78), MissingInput (66) as of `load`. `where` stands before a wrong key."""
    document = parse(Document, data, where=where, error=RecipeError)
    if not document.pipeline:
        raise RecipeError(f"pipeline: empty; stages has: {', '.join(document.stages)}")
    for stage in document.order:
        if document.order.count(stage) > 1:
            raise RecipeError(f"pipeline: {stage!r} stands twice; a stage runs once")
        if stage not in document.stages:
            raise RecipeError(f"pipeline: unknown stage {stage!r}; stages has: {', '.join(document.stages)}")
    if document.cluster.deterministic and document.model.attention == "flash_attention_2":
        raise RecipeError(
            "cluster.deterministic: model.attention=flash_attention_2 sums in any order; take model.attention=sdpa"
        )
    _check_offload(document.cluster)
    _check_offload(document.cluster.gone_on())
    trackers.check(document.trackers)
    leaving_out.check(document.without, document.stages)
    blocks = tuple(_block(document, stage) for stage in document.order)
    for block in blocks:
        block.config.check(block.where)
        budget = document.model.budget
        block.config.check_pictures(
            block.where, grid=budget.grid, least=budget.min_pixels, most=budget.max_pixels
        )
        block.config.check_layers(block.where, document.model.shape.layers())
        if isinstance(choice := getattr(block.config, "rollouts", None), Choice):
            choice.check_family(document.model, f"{block.where}.rollouts")
        if document.model.quantize != "none":
            _check_quantized(document, block)
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
        without=document.without,
        withdrawn=_withdrawn(document),
    )


def _block(document: Document, stage: str) -> Block:
    where = f"stages.{stage}"
    config = kinds.read(document.stages[stage], where=where)
    return Block(
        name=stage, config=config.leaving_out(document.without, where) if document.without else config
    )


def _withdrawn(document: Document) -> Withdrawn | None:
    path = Path(document.withdrawn)
    if not document.withdrawn:
        return None
    if not there(path):
        raise MissingInput(f"withdrawn: {path}: no such file; `lingshu forget` writes one")
    found = parse(Withdrawn, read_json(path), where=f"withdrawn: {path}:", error=RecipeError)
    unknown = sorted(set(found.corpora) - set(document.order))
    if unknown:
        raise RecipeError(
            f"withdrawn: {path}: corpora: no stage {unknown[0]!r} in this pipeline: {', '.join(document.order)}"
        )
    return found


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
