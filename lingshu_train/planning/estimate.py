"""What a stage will cost, by arithmetic: parameters that train, and the memory weights and optimizer take on each process."""

from __future__ import annotations

from lingshu_train.kind import StageConfig
from lingshu_train.model.shape import PARTS, Part
from lingshu_train.planning.recipe import Recipe
from lingshu_train.runs.stage import Stage
from lingshu_train.schema import Strict

_WEIGHT, _GRADIENT, _ADAM = 4, 4, 8
"""Bytes a parameter in float32: master weight, gradient, two moments (Rajbhandari et al. 2020, section 3.1, all float32)."""


class Cost(Strict):
    """Trainable and total parameters per part, and bytes a process keeps beside activations."""

    trainable: dict[Part, int]
    total: dict[Part, int]
    state_bytes: int


def cost(recipe: Recipe, stage: Stage, config: StageConfig) -> Cost | None:
    """None for stages that train nothing."""
    if not config.trains:
        return None
    total = recipe.model.shape.parameters()
    trainable = {part: total[part] for part in PARTS if part in config.trains}
    return Cost(
        trainable=trainable,
        total=total,
        state_bytes=_bytes(stage, sum(total.values()), sum(trainable.values())),
    )


def _bytes(stage: Stage, total: int, trainable: int) -> int:
    """ZeRO-1 divides the optimizer, ZeRO-2 the gradients too, ZeRO-3 the weights too."""
    world = stage.world_size
    level = 0 if world == 1 or stage.cluster.deepspeed == "none" else int(stage.cluster.deepspeed[-1])
    weights = _WEIGHT * total / (world if level >= 3 else 1)
    gradients = _GRADIENT * trainable / (world if level >= 2 else 1)
    optimizer = _ADAM * trainable / (world if level >= 1 else 1)
    return int(weights + gradients + optimizer)
