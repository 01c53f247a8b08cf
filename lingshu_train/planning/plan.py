"""The recipe with every path decided: a list of Stage records, each folder named by what determines its content. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import SerializeAsAny

import lingshu_train
from lingshu_train import naming, verify
from lingshu_train.data.cards import card as cards
from lingshu_train.data.corpus.summary import SUMMARY
from lingshu_train.documents import read_json
from lingshu_train.errors import DataError, RecipeError
from lingshu_train.kind import Need, StageConfig
from lingshu_train.planning.recipe import Block, Recipe
from lingshu_train.runs import checkpoint, manifest
from lingshu_train.runs.stage import Stage
from lingshu_train.schema import Strict, parse
from lingshu_train.trackers._choice import Chosen


class Planned(Strict):
    """A stage with its configuration as its kind reads it."""

    stage: Stage
    config: SerializeAsAny[StageConfig]


class Plan(Strict):
    """The stages in the order they run."""

    recipe: str
    title: str
    output: str
    planned: tuple[Planned, ...]
    trackers: tuple[Chosen, ...]

    @property
    def stages(self) -> tuple[Stage, ...]:
        return tuple(each.stage for each in self.planned)

    @property
    def digest(self) -> str:
        return naming.digest([stage.content for stage in self.stages])

    def try_out(self) -> None:
        """Run what shows only by running, of the stages that are still to do. Raises RecipeError naming the key."""
        for each in self.planned:
            if state(each.stage) != "done":
                each.config.try_out(f"stages.{each.stage.name}")


def build(recipe: Recipe, *, world_size: int | None = None) -> Plan:
    """Decide every path. `world_size` is the launcher's where it started the processes; else the cluster block counts.

    Raises RecipeError where a stage reads one that does not come before it, or names an unknown card.
    """
    world, moved = _processes(recipe, world_size)
    output = Path(recipe.output).absolute()
    done: dict[str, Planned] = {}
    for block in recipe.stages:
        config = block.config
        _check_needs(recipe, block, done)
        several = world if config.distributed else 1
        config.check_world(block.where, several)
        if recipe.cluster.device != "auto":
            config.check_device(block.where, recipe.cluster.device)
        begun = recipe.cluster.dividing(config.divided)
        cluster = begun.gone_on()
        actual = moved or several if config.distributed else 1
        for one, count in ((begun, several), (cluster, actual)):
            if config.distributed and one.divides(count):
                config.check_divided(block.where, one.deepspeed)
        if actual != several:
            config.check_moved(block.where, several, actual)
        content = _content(recipe, block, parents=done, world=several)
        withdrawn = recipe.withdrawn.of(config.parents, content) if recipe.withdrawn else {}
        if withdrawn:
            content = naming.digest(
                [content, {name: one.model_dump(mode="json") for name, one in withdrawn.items()}]
            )
        stage = Stage(
            run=recipe.name,
            name=block.name,
            kind=config.kind,
            content=content,
            folder=str(output / f"{block.name}-{content[:12]}"),
            parents={name: done[name].stage.folder for name in config.parents},
            about=config.about(),
            config=config.model_dump(mode="json"),
            model=recipe.model.model_dump(mode="json"),
            cluster=cluster,
            world_size=actual,
            begun_on=several if actual != several else 0,
            begun_with=begun.deepspeed if begun.deepspeed != cluster.deepspeed else "",
            seed=recipe.seed,
            data_root=recipe.data_root,
            version=lingshu_train.__version__,
            withdrawn=withdrawn,
        )
        done[block.name] = Planned(stage=stage, config=config)
    return Plan(
        recipe=recipe.name,
        title=recipe.title,
        output=str(output),
        planned=tuple(done.values()),
        trackers=recipe.trackers,
    )


def _processes(recipe: Recipe, launched: int | None) -> tuple[int, int | None]:
    """The processes that stages are named after, and those that run them where these are others (`cluster.continue_on`)."""
    cluster = recipe.cluster
    moved = cluster.continue_on
    if moved is None:
        return launched or cluster.processes, None
    if launched and launched != moved:
        raise RecipeError(f"cluster.continue_on: {moved}, and the launcher has started {launched} processes")
    return cluster.processes, moved


def state(stage: Stage) -> str:
    """done, damaged and why, resumable at a step, or to do."""
    try:
        if manifest.done(stage.path):
            return "done"
    except DataError as fault:
        return f"damaged ({fault})"
    found = checkpoint.existing(stage.path)
    return f"resumable at step {checkpoint.step_of(found[-1])}" if found else "to do"


def _check_needs(recipe: Recipe, block: Block, done: dict[str, Planned]) -> None:
    """Every stage this one reads runs before it and leaves what is read."""
    for need in block.config.needs:
        key, parent, role = need.key, need.stage, need.role
        where = f"{block.where}.{key}"
        if parent not in done:
            before = ", ".join(done) or "none"
            raise RecipeError(f"{where}: stage {parent!r} does not run before this one; before it: {before}")
        if done[parent].config.role != role:
            fit = [name for name, one in done.items() if one.config.role == role]
            raise RecipeError(
                f"{where}: stage {parent!r} leaves no {role}; these do: {', '.join(fit) or 'none'}"
            )
        if need.output and need.output not in done[parent].config.leaves:
            fit = [name for name, one in done.items() if need.output in one.config.leaves]
            raise RecipeError(
                f"{where}: stage {parent!r} leaves no {need.output}; these do: {', '.join(fit) or 'none'}"
            )
        _check_corpus(need, where, done)
    if block.config.opens_base and not recipe.model.base:
        told = "base: empty" if block.config.trains else "with_base: true"
        if block.config.role == "export":
            told = "adapter: true"
        raise RecipeError(
            f"{block.where}.{told}, and model.base is empty: name a stage whose model to start from"
        )


def _check_corpus(need: Need, where: str, done: dict[str, Planned]) -> None:
    """What is read of a corpus is in it, as far as can be known before its data is read."""
    holds = (_there(done[need.stage]) or _holds(need.stage, done)) if need.split else None
    if holds is None:
        return
    if need.split not in holds:
        raise RecipeError(
            f"{where}: stage {need.stage!r} leaves no split {need.split!r}; it leaves: {', '.join(holds) or 'none'}"
        )
    there = holds[need.split]
    for task in need.tasks if there is not None else ():
        if task not in (there or ()):
            raise RecipeError(
                f"{where}: unknown task {task!r}; stage {need.stage!r} has in split {need.split!r}: "
                f"{', '.join(sorted(there or ()))}"
            )


def _there(planned: Planned) -> Mapping[str, frozenset[str] | None] | None:
    """The tasks of each split of a corpus that is finished, or that was prepared before; None where none is there yet."""
    folder = planned.config.folders.get("prepared") or str(planned.stage.path / "corpus")
    file = Path(folder) / SUMMARY
    if planned.config.role != "corpus" or not file.is_file():
        return None
    try:
        found = read_json(file)
        given = {"tasks": found.get("tasks") if isinstance(found, dict) else None}
        tasks = parse(_Tasks, given, where=f"{file}:", error=DataError).tasks
    except DataError:
        # A damaged corpus is told where its stage is looked at.
        return None
    splits = {split for counts in tasks.values() for split in counts}
    return {split: frozenset(task for task, counts in tasks.items() if split in counts) for split in splits}


class _Tasks(Strict):
    """Of a corpus's summary: task -> split -> rows."""

    tasks: dict[str, dict[str, int]]


def _holds(name: str, done: dict[str, Planned]) -> Mapping[str, frozenset[str] | None] | None:
    """What is in a corpus; a corpus made of another has no more than that."""
    config = done[name].config
    if config.holds is not None or config.role != "corpus":
        return config.holds
    above = [need.stage for need in config.needs if need.role == "corpus"]
    return _holds(above[0], done) if len(above) == 1 else None


def _content(recipe: Recipe, block: Block, *, parents: dict[str, Planned], world: int) -> str:
    """Hash of all that determines a stage's result: its settings but the unnamed ones, its parents' results, its cards, the
    rules of the verifier where it judges, the code of plugins, and the layout of processes, since sums over ranks are
    rounded in another order."""
    config = block.config
    return naming.digest(
        {
            "block": config.naming,
            "model": recipe.model.model_dump(mode="json"),
            "seed": recipe.seed,
            "parents": {name: parents[name].stage.content for name in config.parents},
            "cards": {
                name: cards.load(name, where=f"{block.where}.cards").digest for name in config.card_names
            },
            "files": {name: naming.file_digest(Path(name)) for name in config.files},
            "plugins": naming.plugin_digests(),
            "verifier": verify.version() if config.judges else "",
            **(
                recipe.cluster.dividing(config.divided).layout(world)
                if config.distributed
                else recipe.cluster.alone
            ),
            "version": lingshu_train.__version__,
        }
    )
