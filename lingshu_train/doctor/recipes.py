"""What a recipe would lack on this machine: data, base model, packages, GPUs, memory, disk."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence
from pathlib import Path

from lingshu_train.doctor import machine
from lingshu_train.doctor.compute import Compute
from lingshu_train.doctor.finding import Finding
from lingshu_train.doctor.machine import size
from lingshu_train.errors import LingshuError
from lingshu_train.hub import vetting
from lingshu_train.model import base as bases
from lingshu_train.model.settings import Settings
from lingshu_train.planning import disk, estimate, outline, plan
from lingshu_train.planning import recipe as recipes
from lingshu_train.planning.plan import Plan
from lingshu_train.planning.recipe import Recipe


def finding(name: str, compute: Compute, overrides: Sequence[str] = ()) -> Finding:
    """One line for a recipe."""
    found = lacks(name, compute, overrides)
    if not found:
        return Finding(name=f"recipe {name}", state="ok", told="all that it needs is here")
    return Finding(name=f"recipe {name}", state="missing", told="; ".join(found))


def lacks(name: str, compute: Compute, overrides: Sequence[str] = ()) -> list[str]:
    """What keeps a recipe from running here, a sentence each with what to do; empty where nothing does."""
    try:
        recipe = recipes.load(name, overrides)
        made = plan.build(recipe)
    except LingshuError as fault:
        return [str(fault).removeprefix(f"recipe {name}: ")]
    return [
        *_base(recipe.model),
        *_packages(recipe),
        *_data(made),
        *_devices(recipe, made, compute),
        *_disk(recipe, made),
    ]


def _base(model: Settings) -> Iterator[str]:
    try:
        found = bases.find(model)
        if found is not None:
            vetting.check(found)
            bases.check(found, model)
    except LingshuError as fault:
        yield str(fault)
        return
    if found is not None and found.kind == "absent":
        yield f"the base model is neither a folder nor in the cache: {bases.how_to_get(found)}"


def _packages(recipe: Recipe) -> Iterator[str]:
    flash = any(importlib.util.find_spec(name) for name in ("flash_attn", "kernels"))
    if recipe.model.attention == "flash_attention_2" and not flash:
        yield "neither kernels nor flash-attn is installed: install the extra gpu, or add model.attention=auto"


def _data(made: Plan) -> Iterator[str]:
    missing = outline.missing_data(made)
    cards = {name for each in made.planned for name in each.config.card_names}
    if missing:
        yield f"data of {len(missing)} of {len(cards)} cards: `lingshu plan {made.recipe}` lists it"


def _devices(recipe: Recipe, made: Plan, compute: Compute) -> Iterator[str]:
    """Processes against GPUs, and what a process keeps against the memory it has. Activations come on top."""
    if compute.probed is None:
        yield "torch does not run"
        return
    gpus, processes = compute.probed.devices, recipe.cluster.processes
    if not gpus and recipe.cluster.device == "auto":
        yield from _without_gpus(recipe)
    if recipe.cluster.device == "cuda" and len(gpus) < processes:
        yield f"{processes} GPUs wanted, {len(gpus)} here: choose another cluster, or cluster.processes={max(1, len(gpus))}"
    costs = [estimate.cost(recipe, one.stage, one.config) for one in made.planned]
    most = max((cost.state_bytes for cost in costs if cost), default=0)
    on_gpu = bool(gpus) and recipe.cluster.device != "cpu"
    room = min(one.bytes for one in gpus) if on_gpu else machine.memory() // processes
    if most > room:
        where = "the smallest GPU" if on_gpu else "memory"
        yield f"{size(most)} a process for weights, gradients and optimizer alone, {where} has {size(room)}"


def _without_gpus(recipe: Recipe) -> Iterator[str]:
    """What of the recipe a machine without a GPU cannot do."""
    for block in recipe.stages:
        try:
            block.config.check_device(block.where, "cpu")
        except LingshuError as fault:
            yield str(fault)


def _disk(recipe: Recipe, made: Plan) -> Iterator[str]:
    """The models of its stages and the checkpoints that they keep, against what is free where it writes."""
    wanted, free = disk.needed(recipe, made), machine.free(Path(made.output))
    if wanted > free:
        yield f"about {size(wanted)} of disk for models and checkpoints, {size(free)} free at {made.output}: output=FOLDER"
