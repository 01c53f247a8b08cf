"""Who draws the completions of a GRPO stage, and when: what does not go together, and what a plan says. No torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lingshu_train.errors import RecipeError
from lingshu_train.kind import PlanLine

if TYPE_CHECKING:
    from lingshu_train.stages.grpo.config import Config


def check(config: Config, where: str) -> None:
    """RecipeError names the key of the stage at `where`."""
    config.rollouts.check(f"{where}.rollouts", trains=True)
    if config.rollouts.engine not in ("transformers", "vllm"):
        raise RecipeError(
            f"{where}.rollouts.engine: {config.rollouts.engine} cannot be given new weights; transformers and vllm can"
        )
    own = config.rollouts.engine == "transformers"
    compares = [name for name in ("importance_cap", "engine_gap_alarm") if getattr(config, name) is not None]
    if config.ahead and own:
        raise RecipeError(
            f"{where}.ahead: with engine transformers the processes that learn draw as well, one after the other; "
            "leave it out, or set rollouts.engine=vllm"
        )
    if compares and own:
        raise RecipeError(
            f"{where}.{compares[0]}: the trainer itself draws with engine transformers, and is as far from itself as "
            "rounding; leave it out, or set rollouts.engine=vllm"
        )
    if config.ahead:
        _check_ahead(config, where)


def _check_ahead(config: Config, where: str) -> None:
    if config.importance_cap is None:
        raise RecipeError(
            f"{where}.ahead: completions are then drawn by weights of a window before, and nothing corrects that without "
            "importance_cap; set it, 2.0 for example"
        )
    if config.engine_gap_alarm is not None:
        raise RecipeError(
            f"{where}.engine_gap_alarm: with ahead what an engine rounds otherwise cannot be told from what was learned since; "
            "leave it out"
        )
    for key, plain in (("weights", "folder"), ("sleep", False)):
        if (found := config.rollouts.params.get(key, plain)) != plain:
            raise RecipeError(
                f"{where}.rollouts.params.{key}: {found} beside ahead, where a server that died is given the weights of a "
                "window before, and none rests; leave one of them out"
            )


def told(config: Config) -> tuple[PlanLine, ...]:
    """What a plan says of windows drawn ahead."""
    if not config.ahead:
        return ()
    line = (
        "each window but the first is drawn by the weights from before the last window, while that is learned from; weighed by "
        f"probability ratios up to {config.importance_cap:g}"
    )
    return (PlanLine("ahead", line),)
