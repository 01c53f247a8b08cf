"""What a stage will cost, by arithmetic: parameters that train, and the memory weights and optimizer take on each process."""

from __future__ import annotations

from collections.abc import Mapping

from lingshu_train.kind import StageConfig
from lingshu_train.model.settings import Settings
from lingshu_train.model.shape import PARTS, Linear, Part, Shape
from lingshu_train.planning import states
from lingshu_train.planning.recipe import Recipe
from lingshu_train.planning.states import Division, Parameters
from lingshu_train.runs.cluster import Cluster
from lingshu_train.runs.stage import Stage
from lingshu_train.schema import Strict
from lingshu_train.training.config import TrainingConfig
from lingshu_train.training.lora import Lora


class Cost(Strict):
    """Trainable and total parameters per part, and bytes a process keeps beside activations.

    `total` is of the model without adapters; of a part that trains through one, `trainable` counts the adapter, and `adapters`
    says it in words. `host_bytes`: what a process keeps in the host's memory instead, where DeepSpeed offloads.
    `checkpoint_bytes`: what one checkpoint takes on disk, `model_bytes` what the stage leaves.
    """

    trainable: dict[Part, int]
    total: dict[Part, int]
    adapters: dict[Part, str]
    state_bytes: int
    host_bytes: int = 0
    checkpoint_bytes: int
    model_bytes: int


def cost(recipe: Recipe, stage: Stage, config: StageConfig) -> Cost | None:
    """None for stages that train nothing."""
    if not config.trains:
        return None
    total = recipe.model.shape.parameters()
    adapters = config.adapters if isinstance(config, TrainingConfig) else {}
    found = parameters(recipe.model, config)
    how = division(recipe.model, stage.cluster, config, world=stage.world_size)
    held = states.of(found, how)
    own = found.trainable if found.adapted else 0
    return Cost(
        trainable=trainable(recipe.model, config),
        total=total,
        adapters={part: str(one) for part, one in adapters.items()},
        state_bytes=held.lasting,
        host_bytes=held.host,
        checkpoint_bytes=checkpoint(found, how),
        model_bytes=states.FULL * (sum(total.values()) + own),
    )


def division(model: Settings, cluster: Cluster, config: StageConfig, *, world: int) -> Division:
    """How a stage's state is kept and divided, its optimizer's moments included."""
    optimizer = config.optimizer if isinstance(config, TrainingConfig) else "adamw"
    found = states.division(cluster, world=world, low=model.dtype == "bfloat16")
    return found.changed(moments=states.MOMENTS_8BIT) if optimizer == "adamw_8bit" else found


def trainable(model: Settings, config: StageConfig) -> dict[Part, int]:
    """Parameters that train in each part; of a part that trains through an adapter, those of the adapter."""
    adapters = config.adapters if isinstance(config, TrainingConfig) else {}
    total = model.shape.parameters()
    return {
        part: _adapter(model.shape, part, adapters[part]) if part in adapters else total[part]
        for part in PARTS
        if part in config.trains
    }


def parameters(model: Settings, config: StageConfig) -> Parameters:
    """The parameters of a stage's model by what becomes of them. Beside adapters all of the model is frozen: of a part that
    trains whole there, peft keeps the weights that it started from."""
    shape = model.shape
    adapters = config.adapters if isinstance(config, TrainingConfig) else {}
    trained, total = trainable(model, config), shape.parameters()
    layers = shape.linear()
    packed = sum(one.weights for one in layers.get("language_model", {}).values())
    cast = sum(
        trained[part] if part in adapters else sum(one.weights for one in layers.get(part, {}).values())
        for part in trained
    )
    width = total["language_model"]
    return Parameters(
        trainable=sum(trained.values()),
        frozen=sum(total.values()) - (0 if adapters else sum(trained.values())),
        packed=packed if adapters and model.quantize != "none" else 0,
        adapted=bool(adapters),
        cast=cast,
        largest=shape.largest or width,
    )


def checkpoint(found: Parameters, how: Division) -> int:
    """Bytes of one checkpoint on disk. DeepSpeed writes masters and moments beside the weights in the format of the forward
    pass; without it the float32 weights are the masters. Through adapters what trains is all that is written."""
    weights = found.trainable + (0 if found.adapted else found.frozen)
    if how.level:
        each = states.LOW if how.low else states.FULL
        return int(each * weights + (states.FULL + how.moments) * found.trainable)
    return int(states.FULL * weights + how.moments * found.trainable)


def _adapter(shape: Shape, part: Part, lora: Lora) -> int:
    """rank * (inputs + outputs) for each linear layer that gets one; 0 for a family that cannot tell its layers."""
    layers: Mapping[str, Linear] = shape.linear().get(part, {})
    return sum(
        lora.rank * (one.inputs + one.outputs) * one.times for name, one in layers.items() if lora.takes(name)
    )
