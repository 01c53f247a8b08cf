"""One training stage, simulated: the most memory of a process, the speed, what fits and what would."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from lingshu_train.errors import RecipeError
from lingshu_train.gpus import Gpu
from lingshu_train.kind import StageConfig
from lingshu_train.model.settings import Settings
from lingshu_train.planning import estimate, states
from lingshu_train.planning.states import Division
from lingshu_train.rollouts._choice import OURS
from lingshu_train.schema import Strict
from lingshu_train.simulation import known, memory, servers, speed
from lingshu_train.simulation import load as loads
from lingshu_train.simulation.load import Load
from lingshu_train.simulation.memory import Memory
from lingshu_train.simulation.passed import Passed, Setting
from lingshu_train.simulation.servers import Server
from lingshu_train.simulation.speed import Speed, Usual, Work
from lingshu_train.stages.grpo.config import Config as Grpo
from lingshu_train.stages.sft.config import Config as Sft
from lingshu_train.training.config import TrainingConfig

GIB = 2**30
RESERVED = 1 * GIB
"""Of a card, for CUDA's context and the libraries' work areas. Assumed."""
FRAGMENTS = 1.10
"""By how much the allocator holds more than is in use. Assumed."""
_MOST_PROCESSES = 8
"""Of one machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A stage as it would be trained: what a change may change."""

    settings: Settings
    config: TrainingConfig
    how: Division
    gpu: Gpu
    row_tokens: int | None = None
    mean_tokens: int | None = None

    def changed(self, **values: object) -> Way:
        return replace(self, **values)  # type: ignore[arg-type]


class Simulated(Strict):
    """A stage on one card of several. `verdict`: `fits`, `fits with ...` or `does not fit`; `remedies` are the changes after
    which it fits, the least first. `host_bytes` is of one machine of at most eight processes."""

    name: str
    kind: str
    load: Load
    usual: Usual
    memory: Memory
    peaks: tuple[Memory, ...]
    server: Server | None
    budget: int
    verdict: str
    remedies: tuple[str, ...]
    speed: Speed
    checkpoint_bytes: int
    disk_bytes: int
    host_bytes: int


class Passes:
    """Passes that have been traced, now or by an earlier command: a change of what divides the state asks for no other."""

    def __init__(self) -> None:
        self._found: dict[str, Passed] = {}

    def of(self, setting: Setting, load: Load) -> Passed:
        key = known.name(setting, load)
        found = self._found.get(key) or known.read(key)
        if found is None:
            # Torch is loaded where a pass has to be traced, and not where all are known.
            from lingshu_train.simulation import depths

            found = depths.measure(setting, load, setting.settings.shape)
            known.keep(key, found)
        self._found[key] = found
        return found


def limits(gpu: Gpu) -> int:
    """Bytes of a card that tensors may take."""
    return int((gpu.memory * GIB - RESERVED) / FRAGMENTS)


def peaks(way: Way, passes: Passes) -> tuple[Load, Passed, tuple[Memory, ...]]:
    """What is passed, and the most at each moment of it."""
    load = loads.of(way.settings, way.config, row_tokens=way.row_tokens)
    setting = Setting(settings=way.settings, config=way.config, divided=way.how.level > 0)
    passed = passes.of(setting, load)
    found = [*memory.learning(way.settings, way.config, way.how, load, passed)]
    if isinstance(way.config, Grpo):
        found += _scoring(way, way.config, setting, load, passes)
        if way.config.rollouts.engine == OURS:
            found += _drawing(way, way.config, setting, load, passes)
    if beside := servers.beside(way.config, way.gpu):
        found = [one.model_copy(update={"server": beside}) for one in found]
    return load, passed, tuple(found)


def _scoring(way: Way, config: Grpo, setting: Setting, load: Load, passes: Passes) -> Iterator[Memory]:
    alone = Setting(settings=way.settings, config=config, divided=setting.divided, learns=False)
    one, two = (passes.of(alone, load.model_copy(update={"rows": rows})) for rows in (1, 2))
    return memory.scoring(way.settings, config, way.how, load, one, two)


def _drawing(way: Way, config: Grpo, setting: Setting, load: Load, passes: Passes) -> Iterator[Memory]:
    prompt = load.model_copy(update={"tokens": load.tokens - load.answer + 1, "answer": 1})
    alone = Setting(settings=way.settings, config=config, divided=setting.divided, learns=False)
    one, two = (passes.of(alone, prompt.model_copy(update={"rows": rows})) for rows in (1, 2))
    return memory.generating(way.settings, config, way.how, load, one, two)


def lasting(way: Way) -> int:
    """What a process keeps whatever it is given."""
    held = states.of(estimate.parameters(way.settings, way.config), way.how)
    reference = memory.reference_bytes(way.settings, way.config, way.how)
    beside = servers.beside(way.config, way.gpu)
    return held.lasting - held.copies + held.gathered + held.buffers + reference + beside


def peak(way: Way, passes: Passes) -> int:
    return memory.at_most(iter(peaks(way, passes)[2])).total


def simulate(
    name: str, way: Way, stages: Mapping[str, StageConfig], passes: Passes, remedies: tuple[str, ...]
) -> Simulated:
    """All of it; `remedies` are asked for beforehand (simulation/remedies.py)."""
    load, passed, found = peaks(way, passes)
    most = memory.at_most(iter(found))
    row = speed.usual(way.settings, way.config, load, mean_tokens=way.mean_tokens)
    server = servers.of(way.settings, way.config, way.gpu, load)
    work = Work(
        settings=way.settings,
        config=way.config,
        how=way.how,
        gpu=way.gpu,
        load=load,
        passed=passed,
        together=server.together if server else None,
        row=row,
        rows=speed.rows(way.config, stages),
    )
    number = estimate.parameters(way.settings, way.config)
    held = states.of(number, way.how)
    checkpoint = estimate.checkpoint(number, way.how)
    whole = states.FULL * sum(way.settings.shape.parameters().values())
    here = min(way.how.world, _MOST_PROCESSES)
    budget = limits(way.gpu)
    holds = server is None or server.together > 0
    fits = most.total <= budget and holds
    pictures = memory.window_pixels(way.config, way.how, load, passed)
    return Simulated(
        name=name,
        kind=way.config.kind,
        load=load,
        usual=row,
        memory=most,
        peaks=found,
        budget=budget,
        verdict="fits" if fits else (f"fits with {remedies[0]}" if remedies and holds else "does not fit"),
        remedies=() if fits or not holds else remedies,
        server=server,
        speed=speed.of(work),
        checkpoint_bytes=checkpoint,
        disk_bytes=whole + (way.config.keep + 1) * checkpoint,
        # Every process reads the model whole, in float32; under ZeRO-3 one of them does.
        host_bytes=max(whole * (1 if way.how.level == 3 else here), (held.host + pictures) * here),
    )


def refuse_unknown(config: StageConfig, where: str) -> TrainingConfig:
    """RecipeError for a kind that trains in a way that is not known here."""
    if isinstance(config, Sft | Grpo):
        return config
    raise RecipeError(f"{where}: kind {config.kind}: only sft and grpo can be simulated")
