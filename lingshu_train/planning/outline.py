"""A plan as text: what would run, on which data, what trains, and what is already done. No torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lingshu_train.data.cards import card as cards
from lingshu_train.model.shape import parameters
from lingshu_train.planning import estimate
from lingshu_train.planning.plan import Plan, config_for, state
from lingshu_train.planning.recipe import Recipe
from lingshu_train.runs.stage import Stage

_SILENT = ("kind", "train", "learning_rate", "data", "base", "cards", "rewards", "questions")
"""Configuration keys that have a line of their own."""


def text(recipe: Recipe, plan: Plan) -> str:
    """The whole plan: one block a stage, then the data that is not on this machine and how to get it."""
    lines = [f"{plan.recipe}: {plan.title}", f"output  {plan.output}", *_model(recipe), ""]
    for number, stage in enumerate(plan.stages, 1):
        lines += [f"{number}. {stage.name} ({stage.kind}): {state(stage)}", *_stage(recipe, stage), ""]
    missing = missing_data(plan)
    if missing:
        lines += [f"data missing on this machine ({len(missing)}):", *(f"  {line}" for line in missing), ""]
    notes = [f"  {key}: {why}" for key, why in recipe.notes.items()]
    return "\n".join([*lines, *(["notes:", *notes] if notes else [])]).rstrip()


def missing_data(plan: Plan) -> list[str]:
    """One line for every card of the plan whose data is not here, with how to get it."""
    from lingshu_train.data.cards import catalogue

    roots = {name: stage.data_root for stage in plan.stages for name in config_for(stage).card_names}
    root = Path(next(iter(roots.values()), "data"))
    return catalogue.missing(list(roots), root)


def _model(recipe: Recipe) -> list[str]:
    counts = parameters(recipe.model.shape)
    parts = ", ".join(f"{part} {_count(number)}" for part, number in counts.items())
    model = recipe.model
    base = model.base or "built from nothing"
    return [
        f"model   {base}: {_count(sum(counts.values()))} parameters ({parts})",
        f"        {model.dtype}, attention {model.attention}, {model.min_pixels} to {model.max_pixels} pixels an image",
    ]


def _stage(recipe: Recipe, stage: Stage) -> list[str]:
    config = config_for(stage)
    lines = [f"   folder   {Path(stage.folder).name}"]
    if config.parents:
        lines.append(f"   reads    {', '.join(config.parents)}")
    if config.card_names:
        lines.append(f"   cards    {_cards(config.card_names, stage)}")
    lines += _contents(stage)
    cost = estimate.cost(recipe, stage, config)
    if cost:
        rates: dict[str, Any] = stage.config.get("learning_rate", {})
        trains = ", ".join(f"{part} {_count(n)} at {rates[part]:g}" for part, n in cost.trainable.items())
        frozen = [part for part in cost.total if part not in cost.trainable]
        lines.append(f"   trains   {trains}" + (f"; frozen: {', '.join(frozen)}" if frozen else ""))
        lines.append(
            f"   memory   {cost.state_bytes / 2**30:.2f} GiB a process for weights, gradients and optimizer"
        )
    if "rewards" in stage.config:
        terms = stage.config["rewards"]["terms"]
        lines.append(
            "   rewards  " + ", ".join(f"{term['name']} x {term.get('weight', 1.0):g}" for term in terms)
        )
    settings = {
        key: value for key, value in stage.config.items() if key not in _SILENT and value not in ("", None)
    }
    lines.append("   settings " + ", ".join(f"{key}={_value(value)}" for key, value in settings.items()))
    return lines


def _contents(stage: Stage) -> list[str]:
    """What a prepare stage asks, and what a training stage reads of a corpus."""
    asked = stage.config.get("questions", {})
    counts = ", ".join(
        f"{task} {one.get('train', 0)} + {one.get('held_out', 0)}" for task, one in asked.items()
    )
    mixes = [_mix(mix) for mix in stage.config.get("data", [])]
    return [
        *([f"   asks     {counts} (train + held out)"] if counts else []),
        *([f"   data     {'; '.join(mixes)}"] if mixes else []),
    ]


def _mix(mix: dict[str, Any]) -> str:
    """One ingredient: what is taken of the corpus, and how often."""
    cards = mix.get("cards", [])
    chosen = [
        *([f"{len(cards)} card{'s' if len(cards) > 1 else ''} ({cards[0]} ...)"] if cards else []),
        *(", ".join(mix[key]) for key in ("tasks", "question_types", "modalities") if mix.get(key)),
        *(f"{key} {mix[key]:g}" for key in ("share", "repeat", "limit") if mix.get(key) is not None),
    ]
    return f"{mix['corpus']}: {', '.join(chosen) or 'all'}"


def _cards(names: tuple[str, ...], stage: Stage) -> str:
    found = [cards.load(name) for name in names]
    here = {card.name: cards.root(card, Path(stage.data_root)) is not None for card in found}
    return ", ".join(
        f"{card.name} ({'here' if here[card.name] else 'missing'}{', unpinned' if card.unpinned else ''})"
        for card in found
    )


def _count(number: int) -> str:
    for limit, unit in ((1e9, "B"), (1e6, "M"), (1e3, "K")):
        if number >= limit:
            return f"{number / limit:.2f} {unit}"
    return str(number)


def _value(value: Any) -> str:
    return "[" + " ".join(map(str, value)) + "]" if isinstance(value, list | tuple) else str(value)
