"""How far log-probabilities of engine and trainer lie apart, token by token: in the ledger of each window, with an alarm."""

from __future__ import annotations

import sys
from collections.abc import Mapping

import numpy as np
from trl import GRPOTrainer

from lingshu_train import dist
from lingshu_train.runs.ledger import Column
from lingshu_train.stages.grpo.config import Config
from lingshu_train.stages.grpo.held_out import ALARM
from lingshu_train.training.guarded import Batch

ENGINE, POLICY = "engine_gap/", "off_policy/"
"""Columns of the ledger: of windows that the engine drew by the trainer's own weights; of those that it drew ahead, by earlier
ones, so that what was learned since is part of it."""
BOUNDS = ("1e-6", "1e-5", "1e-4", "1e-3", "1e-2", "1e-1", "1")
"""The histogram: of each bound the share of tokens whose difference is larger."""


class Agreement:
    """What the last window had, over all ranks. `bound`: mean difference (nats a token) past which there is an alarm."""

    def __init__(self, title: str, bound: float | None, *, of: str = ENGINE) -> None:
        self._title, self._bound, self._of = title, bound, of
        self._columns: dict[str, Column] = {}
        self._alarm = ""

    def measure(self, output: Batch, step: int) -> None:
        """Of a scored window: `sampling_per_token_logps` and `old_per_token_logps` (B, T) where `completion_mask` is.
        Collective."""
        apart = (output["old_per_token_logps"] - output["sampling_per_token_logps"]).abs()
        mine = apart[output["completion_mask"].bool()].float().cpu().numpy()
        every = np.concatenate(dist.gather(mine))
        mean = float(every.mean()) if len(every) else 0.0
        self._columns = {
            f"{self._of}mean": mean,
            f"{self._of}max": float(every.max(initial=0.0)),
            **{
                f"{self._of}above_{bound}": float((every > float(bound)).mean()) if len(every) else 0.0
                for bound in BOUNDS
            },
        }
        self._alarm = ""
        if self._bound is not None and not mean <= self._bound:
            self._alarm = (
                f"the engine's log-probabilities are {mean:.3g} a token from the trainer's, and rollouts may be "
                f"{self._bound:g} apart (engine_gap_alarm)"
            )
            if dist.place().first:
                sys.stderr.write(f"lingshu: {self._title}: step {step}: {self._alarm}\n")

    def columns(self) -> dict[str, Column]:
        """Of each step of the window."""
        return dict(self._columns)

    def take_alarm(self) -> str:
        """The window's alarm, once."""
        found, self._alarm = self._alarm, ""
        return found


def begin(trainer: GRPOTrainer, config: Config) -> Agreement:
    """Have TRL compute the trainer's own log-probabilities of what the engine drew, before the first step on it, and weigh each
    token by their ratio as `importance_cap` says; without one every weight is 1."""
    trainer.use_vllm = trainer.vllm_importance_sampling_correction = True
    trainer.vllm_importance_sampling_mode = "token_truncate"
    cap = config.importance_cap
    trainer.vllm_importance_sampling_clip_min = 1.0 if cap is None else None
    trainer.vllm_importance_sampling_clip_max = 1.0 if cap is None else cap
    return Agreement(trainer.run.stage.name, config.engine_gap_alarm, of=POLICY if config.ahead else ENGINE)


def beside(agreement: Agreement | None, measured: Mapping[str, Column]) -> dict[str, Column]:
    """What was measured after a step, with what its window's engine differed by, alarms of both in one sentence."""
    found = dict(measured)
    if agreement is None:
        return found
    alarms = [line for line in (agreement.take_alarm(), str(found.get(ALARM) or "")) if line]
    return found | agreement.columns() | ({ALARM: "; ".join(alarms)} if alarms else {})
