"""A recipe simulated: its training stages one by one, as text and as JSON."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from lingshu_train import gpus
from lingshu_train.errors import RecipeError
from lingshu_train.gpus import Gpu
from lingshu_train.planning import estimate
from lingshu_train.planning import recipe as recipes
from lingshu_train.planning.recipe import Recipe
from lingshu_train.schema import Strict
from lingshu_train.simulation import remedies, servers
from lingshu_train.simulation import stage as stages
from lingshu_train.simulation.speed import LINK, SERVED_SECONDS, TOKEN_SECONDS, WORDS
from lingshu_train.simulation.stage import FRAGMENTS, GIB, RESERVED, Passes, Simulated, Way

_LEFT = re.compile(r"(stages\.\w+)\.cards: left to you")
_STANDS_IN = (
    "{stage}.cards=[slake]",
    "++{stage}.card_splits={{slake: {{train: train, validation: held_out}}}}",
)
"""What `lingshu data add` would fill in."""
_ON_THE_HOST = {
    "none": "",
    "optimizer": ", optimizer on the host",
    "all": ", optimizer and weights on the host",
}
USUAL = "H100"
"""Where nobody names a card: the one that the published recipes are written for."""


class Report(Strict):
    """A recipe on so many cards. `data_chosen` is false where the recipe leaves its data to its user."""

    recipe: str
    gpu: Gpu
    gpus: int
    parameters: int
    dtype: str
    attention: str
    deepspeed: str
    offload: str
    data_chosen: bool
    stages: tuple[Simulated, ...]


class Asked(Strict):
    """What is asked of a simulation beside the recipe. Lengths are in tokens; None takes the recipe's limits."""

    gpu: str = USUAL
    gpus: int | None = None
    row_tokens: int | None = None
    mean_tokens: int | None = None


def simulate(name: str, overrides: Sequence[str], asked: Asked) -> Report:
    """Every training stage of a recipe. RecipeError (78): it has none; UsageError (64): no such card."""
    gpu = gpus.named(asked.gpu)
    recipe, chosen = _load(name, overrides)
    world = asked.gpus or recipe.cluster.processes
    passes = Passes()
    configs = {block.name: block.config for block in recipe.stages} if chosen else {}
    found = []
    for block in recipe.stages:
        if not block.config.trains:
            continue
        config = stages.refuse_unknown(block.config, block.where)
        config.check_world(block.where, world)
        cluster = recipe.cluster.dividing(config.divided)
        way = Way(
            settings=recipe.model,
            config=config,
            how=estimate.division(recipe.model, cluster, config, world=world),
            gpu=gpu,
            row_tokens=asked.row_tokens,
            mean_tokens=asked.mean_tokens,
        )
        better = remedies.found(block.name, way, passes)
        found.append(stages.simulate(block.name, way, configs, passes, better))
    if not found:
        there = ", ".join(block.name for block in recipe.stages)
        raise RecipeError(
            f"recipe {name}: pipeline: no stage trains, so there is nothing to simulate; it has: {there}"
        )
    return Report(
        recipe=recipe.name,
        gpu=gpu,
        gpus=world,
        parameters=sum(recipe.model.shape.parameters().values()),
        dtype=recipe.model.dtype,
        attention=recipe.model.attention,
        deepspeed=recipe.cluster.deepspeed if recipe.cluster.divides(world) else "none",
        offload=recipe.cluster.offload,
        data_chosen=chosen,
        stages=tuple(found),
    )


def _load(name: str, overrides: Sequence[str]) -> tuple[Recipe, bool]:
    """The recipe, and whether its data is chosen: memory does not depend on which it is, so that another stands in for it."""
    given = list(overrides)
    while True:
        try:
            return recipes.load(name, given), len(given) == len(overrides)
        except RecipeError as fault:
            left = _LEFT.search(str(fault))
            if left is None or len(given) > len(overrides) + 8:
                raise
            given += [one.format(stage=left[1]) for one in _STANDS_IN]


def text(report: Report) -> str:
    """A block a stage, then what was assumed."""
    gpu = report.gpu
    room = stages.limits(gpu) / GIB
    lines = [
        f"{report.recipe} on {report.gpus} x {gpu.name} ({gpu.memory:g} GiB, {room:.1f} of them for tensors)",
        f"{report.parameters / 1e9:.2f} B parameters, {report.dtype}, attention {report.attention}, "
        f"DeepSpeed {report.deepspeed}{_ON_THE_HOST[report.offload]}",
    ]
    if not report.data_chosen:
        lines.append("data: none chosen yet; memory and speed do not depend on which it is")
    for one in report.stages:
        lines += ["", *_stage(one)]
    return "\n".join([*lines, "", "assumed:", *(f"  {line}" for line in _assumed(report))])


def _assumed(report: Report) -> Iterator[str]:
    gpu = report.gpu
    shares = ", ".join(sorted({f"{one.speed.efficiency:.0%}" for one in report.stages}))
    yield f"memory  {RESERVED / GIB:g} GiB of a card for CUDA, and {FRAGMENTS - 1:.0%} that the allocator cannot use"
    yield f"speed   {shares} of {gpu.flops / 1e12:g} TFLOP/s ({gpu.sheet})"
    if report.gpus > 1:
        yield f"        exchange at {LINK:.0%} of {gpu.link / 1e9:g} GB/s, all cards in one machine"
    if report.offload != "none":
        yield "        the host's work on what it holds, and the way there and back, are not in it"
    if any(one.kind == "grpo" for one in report.stages):
        yield (
            f"        a token of all sequences takes at least {TOKEN_SECONDS:g} s to draw, {SERVED_SECONDS:g} in a server, "
            f"which keeps {servers.WORK:.0%} for its passes"
        )
    yield f"rows    the longest are at the recipe's limit (else --row-tokens); usual ones have a picture and {WORDS} tokens"
    yield "        of text (else --mean-tokens)"
    yield "docs/simulate.md has the rules"


def _stage(one: Simulated) -> list[str]:
    memory, speed = one.memory, one.speed
    parts = ", ".join(
        f"{name} {value / GIB:.1f}" for name, value in memory.parts().items() if value >= 0.05 * GIB
    )
    lines = [
        f"{one.name} ({one.kind}): {one.verdict}",
        f"   most      {memory.total / GIB:.1f} GiB of {one.budget / GIB:.1f} a card, {memory.moment}",
        f"   of it     {parts}",
        f"   given     {one.load}",
        *_server(one),
        f"   work      {speed.flops / 1e15:.2f} PFLOP a card and step"
        + (f", {speed.again / speed.flops:.0%} of it done again (checkpointing)" if speed.again else ""),
        f"   speed     {speed.tokens_per_second:,.0f} tokens/s a card, {speed.step_seconds:,.1f} s a step"
        + (f", {speed.generation_seconds:,.1f} of them generation" if speed.generation_seconds else "")
        + f", rows of {one.usual.tokens:,} tokens",
        f"   time      {_time(one)}",
        f"   disk      {one.disk_bytes / 1e9:,.0f} GB at most, {one.checkpoint_bytes / 1e9:,.1f} of them a checkpoint",
        f"   host      {one.host_bytes / 1e9:,.0f} GB of memory a machine",
    ]
    rest = one.remedies[1:]
    return lines + [f"   or with   {remedy}" for remedy in rest]


def _server(one: Simulated) -> Iterator[str]:
    if one.server is None:
        return
    found = one.server
    where = "of a card of its own" if found.elsewhere else "of the same card"
    holds = (
        f"{found.together:,} completions at once"
        if found.together
        else "no room for one completion: more gpu_share, or a card of its own"
    )
    yield f"   server    {found.bytes / GIB:.1f} GiB {where}, weights {found.weights / GIB:.1f}; {holds}"


def _time(one: Simulated) -> str:
    speed = one.speed
    if speed.hours is None:
        per = 1e5 / speed.rows_per_second / 3600
        return f"{_hours(per)} for each 100,000 rows and epoch; how many there are is not stated"
    rows = f", {speed.rows:,} rows as their cards state them" if speed.rows else ""
    return f"{_hours(speed.hours)} for {speed.steps:,} steps{rows}"


def _hours(hours: float) -> str:
    return (
        f"{hours:,.0f} hours"
        if hours >= 10
        else f"{hours:.1f} hours"
        if hours >= 1
        else f"{hours * 60:.0f} minutes"
    )
