"""What would make a stage fit: changes tried one by one and together, the least of them first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from lingshu_train.errors import RecipeError
from lingshu_train.planning import states
from lingshu_train.simulation import stage as stages
from lingshu_train.simulation.stage import Passes, Way
from lingshu_train.stages.grpo.config import Config as Grpo
from lingshu_train.stages.sft.config import Config as Sft
from lingshu_train.training import lora

MOST = 3
"""Remedies that are told."""
_MORE_CARDS = (2, 4, 8, 16, 32, 64)
_RANK = 64
_SLICE = 8
"""Completions drawn in one call, at least."""


class Change(NamedTuple):
    """What one would write, and the stage after it; None where it changes nothing."""

    said: str
    made: Callable[[Way], Way | None]


def changes(name: str) -> tuple[Change, ...]:
    """In the order of what they cost: nothing of the result, then speed, then what is learned."""
    where = f"stages.{name}"
    return (
        Change("model.gradient_checkpointing=true", _checkpointed),
        Change(f"{where}.per_device_batch=1 (accumulation as many times more)", _one_row),
        Change(f"{where}.rollout_batch={_SLICE}", _small_slices),
        Change("cluster.deepspeed=zero3", _zero3),
        Change("an 8-bit optimizer", _eight_bits),
        Change("the optimizer offloaded to the host", _offloaded),
        Change(
            f"{where}.train={{language_model: {{lora: {{rank: {_RANK}}}}}}}, which learns through an adapter",
            _adapter,
        ),
    )


def found(name: str, way: Way, passes: Passes) -> tuple[str, ...]:
    """At most three, the least first; none where the stage fits as it is or nothing helps."""
    room = stages.limits(way.gpu)
    if stages.peak(way, passes) <= room:
        return ()
    told: list[str] = []
    for said, changed in (*_each(name, way), *_together(name, way), *_more_cards(way)):
        if len(told) == MOST:
            break
        if any(one in said for one in told):
            continue
        # What lies there without any activation is no question of a pass.
        if stages.lasting(changed) <= room and stages.peak(changed, passes) <= room:
            told.append(said)
    return tuple(told)


def _each(name: str, way: Way) -> Iterator[tuple[str, Way]]:
    for change in changes(name):
        if (changed := change.made(way)) is not None:
            yield change.said, changed


def _together(name: str, way: Way) -> Iterator[tuple[str, Way]]:
    """One after another on top of the last; what offloads and what keeps in 8 bits are two ways to the same end."""
    said: list[str] = []
    for change in changes(name):
        changed = change.made(way)
        if changed is None:
            continue
        way = changed
        said.append(change.said)
        if len(said) > 1:
            yield " and ".join(said), way


def _more_cards(way: Way) -> Iterator[tuple[str, Way]]:
    for world in _MORE_CARDS:
        if world > way.how.world and _divides(way, world):
            how = states.at_level(3, world=world, low=way.how.low)
            yield f"{world} cards and cluster.deepspeed=zero3", way.changed(how=how)


def _divides(way: Way, world: int) -> bool:
    try:
        way.config.check_world("stages", world)
    except RecipeError:
        return False
    return way.settings.quantize == "none"


def _checkpointed(way: Way) -> Way | None:
    if way.settings.gradient_checkpointing:
        return None
    return way.changed(settings=way.settings.model_copy(update={"gradient_checkpointing": True}))


def _one_row(way: Way) -> Way | None:
    size = way.config.per_device_batch
    if size == 1:
        return None
    update = {"per_device_batch": 1}
    if isinstance(way.config, Sft):
        update["accumulation"] = way.config.accumulation * size
    return way.changed(config=way.config.model_copy(update=update))


def _small_slices(way: Way) -> Way | None:
    if not isinstance(way.config, Grpo) or way.config.rollout_batch <= _SLICE:
        return None
    return way.changed(config=way.config.model_copy(update={"rollout_batch": _SLICE}))


def _zero3(way: Way) -> Way | None:
    if way.how.world == 1 or way.how.level == 3 or way.settings.quantize != "none":
        return None
    return way.changed(how=states.at_level(3, world=way.how.world, low=way.how.low))


def _eight_bits(way: Way) -> Way | None:
    # DeepSpeed would flatten its blocks: refused beside it (training/config.py).
    if way.how.moments <= states.MOMENTS_8BIT or way.how.level:
        return None
    return way.changed(how=way.how.changed(moments=states.MOMENTS_8BIT))


def _offloaded(way: Way) -> Way | None:
    if way.how.offload != "none" or way.settings.quantize != "none":
        return None
    how = way.how if way.how.level >= 2 else states.at_level(2, world=way.how.world, low=way.how.low)
    return way.changed(how=how.changed(offload="optimizer", moments=states.MOMENTS))


def _adapter(way: Way) -> Way | None:
    whole = lora.whole(way.config.train)
    if "language_model" not in whole:
        return None
    rest = {part: "full" for part in whole if part != "language_model"}
    train = lora.read({**rest, "language_model": {"lora": {"rank": _RANK}}})
    return way.changed(config=way.config.model_copy(update={"train": train}))
