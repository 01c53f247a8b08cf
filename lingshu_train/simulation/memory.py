"""The most that one process of a stage holds on its GPU at once, and of what it is made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lingshu_train.kind import StageConfig
from lingshu_train.model.settings import Settings
from lingshu_train.planning import estimate, states
from lingshu_train.planning.states import Division, States
from lingshu_train.rollouts._choice import OURS
from lingshu_train.schema import Strict
from lingshu_train.simulation.load import Load
from lingshu_train.simulation.passed import COPIES, GRADIENTS, PHASES, Passed, Phase
from lingshu_train.stages.grpo.config import Config as Grpo
from lingshu_train.stages.sft.config import Config as Sft

MOMENTS: dict[Phase, str] = {
    "begin": "as a batch comes in",
    "vision": "forward in the vision tower",
    "text": "forward in the language model",
    "head": "in the output head",
    "text_back": "backward in the language model",
    "vision_back": "backward in the vision tower",
}
SCORED = 4
"""Of `rollout_batch`, the part that is scored in one call (stages/grpo/scored.py)."""
STEP, PREFILL, DECODING = "as the optimizer moves", "reading prompts", "drawing the last token"
SCORING = "scoring a window"


class Memory(Strict):
    """Bytes on one GPU at one moment. `saved` is what the forward pass keeps for the backward pass, `cache` keys and values of
    generation, `gathered` whole weights under ZeRO-3, `server` what an engine beside the process takes of its card."""

    moment: str
    weights: int = 0
    copies: int = 0
    gradients: int = 0
    optimizer: int = 0
    saved: int = 0
    head: int = 0
    temporaries: int = 0
    gathered: int = 0
    buffers: int = 0
    reference: int = 0
    pixels: int = 0
    cache: int = 0
    server: int = 0

    @property
    def total(self) -> int:
        return sum(value for value in self.parts().values())

    def parts(self) -> dict[str, int]:
        """Bytes by name, without the moment."""
        return {name: value for name, value in self if isinstance(value, int)}


def at_most(moments: Iterator[Memory]) -> Memory:
    return max(moments, key=lambda one: one.total)


def learning(
    settings: Settings, config: StageConfig, how: Division, load: Load, passed: Passed
) -> Iterator[Memory]:
    """Each phase of a pass, and the optimizer's step."""
    held = states.of(estimate.parameters(settings, config), how)
    reference = reference_bytes(settings, config, how)
    lasting = {"weights": held.weights, "optimizer": held.optimizer, "reference": reference}
    lasting["pixels"] = passed.pixel_bytes
    # With one pass a step gradients grow while activations go; with more they are there from the first on.
    grows = how.level < 2 and _passes(config, how) == 1
    peaks = passed.with_gradients if grows else passed.peaks
    for phase in PHASES:
        by = peaks[phase]
        grown = sum(value for name, value in by.items() if name.startswith(GRADIENTS))
        yield Memory(
            moment=MOMENTS[phase],
            **lasting,
            gradients=int(grown) if grows else held.gradients,
            gathered=held.gathered,
            buffers=held.buffers,
            **activations(by, passed.saved),
        )
    yield Memory(
        moment=STEP,
        **lasting,
        gradients=held.gradients,
        buffers=0 if how.level else held.buffers,
        temporaries=held.step,
    )


def activations(by: Mapping[str, float], saved: Mapping[str, float]) -> dict[str, int]:
    """A phase's peak by what it is. What was kept is no more than what is there."""
    copies = sum(value for name, value in by.items() if name.startswith(COPIES))
    towers = {name: by.get(name, 0.0) for name in ("vision", "text", "rest")}
    kept = sum(min(value, saved.get(name, 0.0)) for name, value in towers.items())
    return {
        "copies": int(copies),
        "saved": int(kept),
        "head": int(by.get("head", 0.0)),
        "temporaries": int(sum(towers.values()) - kept),
    }


def reference_bytes(settings: Settings, config: StageConfig, how: Division) -> int:
    """The frozen model that a KL term compares with; beside adapters it is the model itself (trl/trainer/grpo_trainer.py).
    DeepSpeed keeps it in the format of the forward pass, and divides it under ZeRO-3 alone."""
    if not isinstance(config, Grpo) or not config.kl_coefficient or config.adapters:
        return 0
    number = sum(settings.shape.parameters().values())
    each = states.LOW if how.low and how.level else states.FULL
    return int(each * number / (how.world if how.level == 3 else 1))


def window_pixels(config: StageConfig, how: Division, load: Load, passed: Passed) -> int:
    """Pictures of a generation window, which a process keeps on the host: in float32, and until the window is scored a copy for
    each completion (trl/trainer/grpo_trainer.py)."""
    return passed.pixel_bytes * sequences(config, how.world) // load.rows if isinstance(config, Grpo) else 0


def sequences(config: Grpo, world: int) -> int:
    """Completions of a window that one process draws."""
    return max(1, config.rollout_prompts * config.group_size // world)


def drawn_together(config: Grpo, world: int) -> int:
    """Those of them that it draws in one call (stages/grpo/windows.py)."""
    return min(config.rollout_batch, sequences(config, world))


def generating(
    settings: Settings, config: Grpo, how: Division, load: Load, one: Passed, two: Passed
) -> Iterator[Memory]:
    """Reading the prompts of a slice at once, and drawing its last tokens. `one` and `two` are passes over one and two
    prompts; more are linear in their number. The window's pictures wait on the host."""
    held = states.of(estimate.parameters(settings, config), how)
    number = drawn_together(config, how.world)
    shape = settings.shape
    each = states.LOW if settings.dtype == "bfloat16" else states.FULL
    whole = sum(shape.parameters().values())
    lasting = _while_drawing(held, how, whole, each) | {
        "reference": reference_bytes(settings, config, how),
        "pixels": one.pixel_bytes * number,
    }
    firsts = {phase: sum(one.peaks[phase].values()) for phase in PHASES}
    seconds = {phase: sum(two.peaks[phase].values()) for phase in PHASES}
    peaks = [firsts[phase] + (number - 1) * (seconds[phase] - firsts[phase]) for phase in PHASES]
    kept = shape.cached * each * number
    # Room for all that will be written is made with the prompt (rollouts/_cache.py).
    yield Memory(moment=PREFILL, **lasting, temporaries=int(max(peaks)), cache=kept * load.tokens)
    # Logits become float32, are sorted out and drawn from.
    drawing = number * shape.vocabulary * (each + 3 * states.FULL)
    yield Memory(moment=DECODING, **lasting, temporaries=drawing, cache=kept * load.tokens)


def scoring(
    settings: Settings, config: Grpo, how: Division, load: Load, one: Passed, two: Passed
) -> Iterator[Memory]:
    """The policy's, or a reference's, chances of all completions of a window, as many at once as stages/grpo/scored.py takes.
    `one` and `two` are passes without gradients over one and two rows."""
    if config.window == 1 and not config.kl_coefficient and config.rollouts.engine == OURS:
        return
    held = states.of(estimate.parameters(settings, config), how)
    number = min(max(load.rows, config.rollout_batch // SCORED), sequences(config, how.world))
    firsts = {phase: sum(one.peaks[phase].values()) for phase in PHASES}
    seconds = {phase: sum(two.peaks[phase].values()) for phase in PHASES}
    peaks = [firsts[phase] + (number - 1) * (seconds[phase] - firsts[phase]) for phase in PHASES]
    yield Memory(
        moment=SCORING,
        weights=held.weights,
        copies=held.copies,
        gradients=held.gradients if how.level == 3 else 0,
        optimizer=held.optimizer,
        gathered=held.gathered,
        buffers=held.buffers,
        reference=reference_bytes(settings, config, how),
        pixels=one.pixel_bytes * number,
        temporaries=int(max(peaks)),
    )


def _while_drawing(held: States, how: Division, whole: int, each: int) -> dict[str, int]:
    """What lies there while no batch trains. Under ZeRO-3 all weights are gathered for the length of the call
    (trl: ds3_gather_for_generation); its flat buffer of gradients stays."""
    return {
        "weights": held.weights,
        "copies": held.copies,
        "gradients": held.gradients if how.level == 3 else 0,
        "optimizer": held.optimizer,
        "gathered": whole * each if how.level == 3 else 0,
    }


def _passes(config: StageConfig, how: Division) -> int:
    """Forward passes of a step."""
    if isinstance(config, Grpo):
        return max(1, config.accumulation(how.world))
    return config.accumulation if isinstance(config, Sft) else 1
