"""The recipe with every path decided: a list of Stage records, each folder named by what determines its content. No torch."""

from __future__ import annotations

from pathlib import Path

import lingshu_train
from lingshu_train import naming, verify
from lingshu_train.data.cards import card as cards
from lingshu_train.errors import RecipeError
from lingshu_train.planning.recipe import Block, Recipe, config_of
from lingshu_train.runs import checkpoint, manifest
from lingshu_train.runs.stage import Stage
from lingshu_train.schema import Strict
from lingshu_train.stages._config import StageConfig
from lingshu_train.trackers._choice import Chosen


class Plan(Strict):
    """The stages in the order they run."""

    recipe: str
    title: str
    output: str
    stages: tuple[Stage, ...]
    trackers: tuple[Chosen, ...]

    @property
    def digest(self) -> str:
        return naming.digest([stage.content for stage in self.stages])


def build(recipe: Recipe, *, world_size: int | None = None) -> Plan:
    """Decide every path. `world_size` is the launcher's where it started the processes; else the cluster block counts.

    Raises RecipeError where a stage reads one that does not come before it, or names an unknown card.
    """
    world = world_size or recipe.cluster.processes
    output = Path(recipe.output).absolute()
    done: dict[str, Stage] = {}
    for block in recipe.stages:
        config = config_of(block)
        _check_needs(recipe, block, config, done)
        several = world if config.distributed else 1
        config.check_world(f"stages.{block.name}", several)
        content = _content(recipe, config, block, parents=done, world=several)
        done[block.name] = Stage(
            run=recipe.name,
            name=block.name,
            kind=block.kind,
            content=content,
            folder=str(output / f"{block.name}-{content[:12]}"),
            parents={name: done[name].folder for name in config.parents},
            config=block.config,
            model=recipe.model.model_dump(mode="json"),
            cluster=recipe.cluster,
            world_size=several,
            seed=recipe.seed,
            data_root=recipe.data_root,
            version=lingshu_train.__version__,
        )
    return Plan(
        recipe=recipe.name,
        title=recipe.title,
        output=str(output),
        stages=tuple(done.values()),
        trackers=recipe.trackers,
    )


def state(stage: Stage) -> str:
    """done, resumable at a step, or to do."""
    if manifest.done(stage.path):
        return "done"
    found = checkpoint.existing(stage.path)
    return f"resumable at step {checkpoint.step_of(found[-1])}" if found else "to do"


def config_for(stage: Stage) -> StageConfig:
    return config_of(Block(name=stage.name, kind=stage.kind, config=stage.config))


def _check_needs(recipe: Recipe, block: Block, config: StageConfig, done: dict[str, Stage]) -> None:
    """Every stage this one reads runs before it and leaves what is read."""
    where = f"stages.{block.name}"
    for key, parent, wanted in config.needs:
        if parent not in done:
            before = ", ".join(done) or "none"
            raise RecipeError(
                f"{where}.{key}: stage {parent!r} does not run before this one; before it: {before}"
            )
        if config_for(done[parent]).provides != wanted:
            fit = [name for name, stage in done.items() if config_for(stage).provides == wanted]
            raise RecipeError(
                f"{where}.{key}: stage {parent!r} leaves no {wanted}; these do: {', '.join(fit) or 'none'}"
            )
    if config.trains and not block.config.get("base") and not recipe.model.base:
        raise RecipeError(
            f"{where}.base: empty, and so is model.base: name a stage whose model to start from"
        )


def _content(
    recipe: Recipe, config: StageConfig, block: Block, *, parents: dict[str, Stage], world: int
) -> str:
    """Hash of all that determines a stage's result: its settings, its parents' results, its cards, the rules of the
    verifier where it judges, and the layout of processes, since sums over ranks are rounded in another order."""
    return naming.digest(
        {
            "block": block.config,
            "model": recipe.model.model_dump(mode="json"),
            "seed": recipe.seed,
            "parents": {name: parents[name].content for name in config.parents},
            "cards": {
                name: cards.load(name, where=f"stages.{block.name}.cards").digest
                for name in config.card_names
            },
            "files": {name: naming.file_digest(Path(name)) for name in config.files},
            "verifier": verify.version() if config.judges else "",
            "processes": world,
            "deepspeed": recipe.cluster.deepspeed if world > 1 else "none",
            "version": lingshu_train.__version__,
        }
    )
