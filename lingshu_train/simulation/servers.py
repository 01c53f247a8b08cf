"""What an engine beside a stage takes of its cards, and how many completions it draws at once there. No torch."""

from __future__ import annotations

from lingshu_train.errors import RecipeError
from lingshu_train.gpus import Gpu
from lingshu_train.kind import StageConfig
from lingshu_train.model.settings import Settings
from lingshu_train.planning import states
from lingshu_train.rollouts import vllm
from lingshu_train.rollouts._choice import OURS
from lingshu_train.schema import Strict, parse
from lingshu_train.simulation.load import Load
from lingshu_train.stages.grpo.config import Config as Grpo

GIB = 2**30
WORK = 0.1
"""Of what a server may take, the part for its own passes and graphs. Assumed."""


class Server(Strict):
    """One server: bytes of its card that it takes, of these the weights, and completions of full length whose keys and values
    fit into the rest. `elsewhere`: on cards that the stage does not train on."""

    bytes: int
    weights: int
    together: int
    elsewhere: bool


def of(settings: Settings, config: StageConfig, gpu: Gpu, load: Load) -> Server | None:
    """The server of a process of the stage; none where the process draws itself. Cards elsewhere count as the same kind."""
    if not isinstance(config, Grpo) or config.rollouts.engine == OURS:
        return None
    params = _params(config)
    # What `gpu_memory_utilization` of vLLM counts is the card's whole memory.
    takes = int(gpu.memory * GIB * params.gpu_share)
    each = states.LOW if settings.dtype == "bfloat16" else states.FULL
    weights = each * sum(settings.shape.parameters().values())
    room = takes * (1 - WORK) - weights
    together = max(0, int(room // (settings.shape.cached * each * load.tokens)))
    return Server(bytes=takes, weights=weights, together=together, elsewhere=_elsewhere(params))


def beside(config: StageConfig, gpu: Gpu) -> int:
    """Bytes that servers take of a card that the stage trains on."""
    if not isinstance(config, Grpo) or config.rollouts.engine == OURS:
        return 0
    params = _params(config)
    return 0 if _elsewhere(params) else int(gpu.memory * GIB * params.gpu_share)


def _elsewhere(params: vllm.Params) -> bool:
    return bool(params.urls or params.gpus)


def _params(config: Grpo) -> vllm.Params:
    return parse(vllm.Params, config.rollouts.params, where="rollouts.params", error=RecipeError)
