"""What a line of a GRPO stage's ledger says beside what TRL logs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from lingshu_train.runs.ledger import Column
from lingshu_train.runs.stage import Stage
from lingshu_train.stages.grpo import agreement, held_out, risen
from lingshu_train.stages.grpo.config import Config
from lingshu_train.stages.grpo.scoring import Scoring
from lingshu_train.training.divergence import finite
from lingshu_train.training.feed import Numbers, Rows

if TYPE_CHECKING:
    from lingshu_train.stages.grpo.run import ExactGRPOTrainer


def drawn(rows: Rows, config: Config, step: int) -> Numbers:
    """The rows that the window of a step may ask."""
    first = (step - 1) // config.window * config.window_prompts
    return rows.rows(first, first + config.window_prompts)


def of(
    trainer: ExactGRPOTrainer,
    rows: Rows,
    stage: Stage,
    config: Config,
    *,
    scoring: Scoring,
    watched: held_out.HeldOut | None,
) -> Callable[[int], dict[str, Column]]:
    """What a line of the ledger says beside what TRL logs."""
    alarms = risen.Risen(stage, config)

    def extra(step: int) -> dict[str, Column]:
        seen = {} if trainer.guard.leaves_out_window(step) else scoring.metrics()
        return finite(
            {
                "epoch": rows.epoch(step * config.update_prompts * config.choice),
                "samples": rows.digest(drawn(rows, config, step)),
                **seen,
                **alarms.columns(step, seen),
                **trainer.asked(prompts=config.rollout_prompts),
                **trainer.drawn_by(),
                **agreement.beside(trainer.agreement, watched.measure(trainer, step) if watched else {}),
                **trainer.guard.columns(step),
            }
        )

    return extra
