"""A plan as text: what would run, on which data, what trains, and what is already done. No torch."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path

from pydantic import JsonValue

from lingshu_train.data.cards import card as cards
from lingshu_train.data.cards.card import Card
from lingshu_train.hub import vetting
from lingshu_train.kind import PlanLine, StageConfig
from lingshu_train.planning import disk, estimate, teaching
from lingshu_train.planning.plan import Plan, Planned, state
from lingshu_train.planning.recipe import Recipe
from lingshu_train.runs import manifest, moved, withdrawn
from lingshu_train.runs.run import trained_on
from lingshu_train.runs.stage import Stage
from lingshu_train.trackers import _sharing as sharing


def text(recipe: Recipe, plan: Plan) -> str:
    """The whole plan: one block a stage, then the data that is not on this machine and how to get it."""
    lines = [
        f"{plan.recipe}: {plan.title}",
        f"output  {plan.output}",
        *_model(recipe),
        *_disk(recipe, plan),
        *_without(recipe),
        *_withdrawn(recipe),
        *_trackers(plan),
        "",
    ]
    for number, each in enumerate(plan.planned, 1):
        stage = each.stage
        lines.append(f"{number}. {stage.name} ({stage.kind}): {state(stage)}")
        lines += [*(f"   {label:<8} {told}" for label, told in _stage(recipe, each)), ""]
    missing = missing_data(plan)
    if missing:
        lines += [f"data missing on this machine ({len(missing)}):", *(f"  {line}" for line in missing), ""]
    notes = [f"  {key}: {why}" for key, why in recipe.notes.items()]
    return "\n".join([*lines, *(["notes:", *notes] if notes else [])]).rstrip()


def several(plans: Sequence[tuple[Sequence[str], Plan]]) -> str:
    """The runs of a sweep, a line each: its folder, what it chooses, and how much of it is to do."""
    found: dict[str, str] = {}
    lines = [f"{len(plans)} runs, one after another:" if len(plans) > 1 else "1 run:"]
    width = max(len(plan.output) for _, plan in plans)
    for chosen, plan in plans:
        folder = Path(plan.output).name
        done = sum(state(stage) == "done" for stage in plan.stages)
        shared = [found[stage.content] for stage in plan.stages if stage.content in found]
        told = [f"{len(plan.stages)} stages", *([f"{done} done"] if done else [])]
        told += [f"{len(shared)} of them those of {shared[0]}"] if shared else []
        lines.append(f"  {plan.output:<{width}}  {' '.join(chosen) or plan.recipe}: {', '.join(told)}")
        for stage in plan.stages:
            found.setdefault(stage.content, folder)
    return "\n".join(lines)


def missing_data(plan: Plan) -> list[str]:
    """One line for every card of the plan whose data is not here, with how to get it."""
    from lingshu_train.data.cards import catalogue

    roots = {
        name: each.stage.data_root
        for each in plan.planned
        for name in each.config.card_names
        if name not in each.config.made_here
    }
    root = Path(next(iter(roots.values()), "data"))
    return catalogue.missing(list(roots), root)


def _trackers(plan: Plan) -> list[str]:
    """What each tracker is sent, and of which stages no samples, though the recipe asks for them."""
    stages = {stage.name: stage for stage in plan.stages}
    trained = [stage.name for stage in plan.stages if stage.about.trains]
    asked = any(one.samples for one in plan.trackers)
    why = {name: sharing.refusal(trained_on(stages, name)) for name in trained} if asked else {}
    kept = "".join(f"; no samples of {name}: {reason}" for name, reason in why.items() if reason)
    told = [f"{one.name}: numbers" + (f" and samples{kept}" if one.samples else "") for one in plan.trackers]
    return [f"tracker {line}" for line in told]


def _without(recipe: Recipe) -> list[str]:
    """Which cards of the recipe no stage reads, and that shares follow."""
    if not recipe.without:
        return []
    count = len(recipe.without)
    return [
        f"without {count} card{'s' * (count > 1)}: {', '.join(recipe.without)}; their shares go to the others"
    ]


def _disk(recipe: Recipe, plan: Plan) -> list[str]:
    """What the stages to do will write, where any of them trains."""
    wanted = disk.needed(recipe, plan)
    return (
        [f"disk    {disk.size(wanted)} at most for models and checkpoints of the stages to do"]
        if wanted
        else []
    )


def _withdrawn(recipe: Recipe) -> list[str]:
    """Which rows keep their places and yield nothing."""
    found = recipe.withdrawn
    return [f"without {withdrawn.said(found.corpora)}: their places yield nothing"] if found else []


def _model(recipe: Recipe) -> list[str]:
    counts = recipe.model.shape.parameters()
    parts = ", ".join(f"{part} {_count(number)}" for part, number in counts.items())
    model = recipe.model
    low = f"; while training, the language model in {model.quantize}" if model.quantize != "none" else ""
    return [
        f"base    {vetting.said(model)}",
        f"model   {_count(sum(counts.values()))} parameters ({parts})",
        f"        {model.dtype}, attention {_attention(recipe)}, {model.min_pixels} to {model.max_pixels} pixels an image{low}",
    ]


def _attention(recipe: Recipe) -> str:
    """What `auto` comes to, as far as can be told without torch."""
    model, cluster = recipe.model, recipe.cluster
    if model.attention != "auto":
        return model.attention
    never = cluster.deterministic or model.shape.looks_ahead
    if cluster.device == "cpu" or model.dtype != "bfloat16" or never:
        return "auto: sdpa"
    there = [name for name in ("flash_attn", "kernels") if importlib.util.find_spec(name)]
    lacking = "" if there else " (neither kernels nor flash-attn is installed here)"
    return f"auto: flash_attention_2 on GPUs that can{lacking}, else sdpa"


def _stage(recipe: Recipe, planned: Planned) -> list[PlanLine]:
    stage, config = planned.stage, planned.config
    lines = [PlanLine("folder", Path(stage.folder).name)]
    if config.parents:
        lines.append(PlanLine("reads", ", ".join(config.parents)))
    if stage.withdrawn:
        lines.append(PlanLine("without", withdrawn.said(stage.withdrawn)))
    if stage.begun_on or stage.begun_with:
        lines.append(PlanLine("moved", moved.planned(stage)))
    if config.card_names:
        lines.append(PlanLine("cards", _cards(config, stage)))
    lines += [*config.describe(), *teaching.lines(planned), *_cost(recipe, planned), *config.judged_by()]
    if state(stage) != "done":
        finished = {name: Path(path) for name, path in stage.parents.items() if manifest.done(Path(path))}
        lines += config.forecast(finished, Path(stage.folder).parent)
    given = config.model_dump(mode="json", exclude_unset=True, exclude=set(config.told))
    settings = [f"{key}={_value(value)}" for key, value in given.items() if value not in ("", None)]
    return [*lines, PlanLine("settings", ", ".join(settings))]


def _cost(recipe: Recipe, planned: Planned) -> list[PlanLine]:
    """Which parts train, and the memory of that; nothing for a stage that trains none."""
    cost = estimate.cost(recipe, planned.stage, planned.config)
    if not cost:
        return []
    rates = planned.config.rates
    ways = {part: f" ({how})" for part, how in cost.adapters.items()}
    trains = ", ".join(
        f"{part} {_count(n)} at {rates[part]:g}{ways.get(part, '')}" for part, n in cost.trainable.items()
    )
    frozen = [part for part in cost.total if part not in cost.trainable]
    gib = cost.state_bytes / 2**30
    return [
        PlanLine("trains", trains + (f"; frozen: {', '.join(frozen)}" if frozen else "")),
        PlanLine("memory", f"{gib:.2f} GiB a process for weights, gradients and optimizer{_beside(cost)}"),
    ]


def _beside(cost: estimate.Cost) -> str:
    """What DeepSpeed keeps elsewhere."""
    return f"; {cost.host_bytes / 2**30:.2f} GiB on the host" if cost.host_bytes else ""


def _cards(config: StageConfig, stage: Stage) -> str:
    return ", ".join(
        f"{card.name} (made)" if card.name in config.made_here else _card(card, Path(stage.data_root))
        for card in map(cards.load, config.card_names)
    )


def _card(card: Card, data_root: Path) -> str:
    here = "here" if cards.root(card, data_root) is not None else "missing"
    return f"{card.name} ({here}{', unpinned' if card.unpinned else ''})"


def _count(number: int) -> str:
    for limit, unit in ((1e9, "B"), (1e6, "M"), (1e3, "K")):
        if number >= limit:
            return f"{number / limit:.2f} {unit}"
    return str(number)


def _value(value: JsonValue) -> str:
    if isinstance(value, list):
        return "[" + " ".join(map(str, value)) + "]"
    return f"{value:g}" if isinstance(value, float) else str(value)
