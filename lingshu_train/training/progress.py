"""The callback every trainer carries: the ledger, the progress line, and leaving together when told to stop."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Mapping
from types import FrameType
from typing import NoReturn

import torch
from tqdm import tqdm
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from lingshu_train import dist
from lingshu_train.bars import bar
from lingshu_train.runs.ledger import Column, Ledger

RENAMED = {
    "loss": "loss",
    "grad_norm": "grad_norm",
    "reward": "reward",
    "reward_std": "reward_std",
    "frac_reward_zero_std": "groups_without_spread",
    "completions/mean_length": "completion_length",
    "completions/clipped_ratio": "truncated",
    "kl": "kl",
    "entropy": "entropy",
    "clip_ratio/region_mean": "clipped",
    "mean_token_accuracy": "token_accuracy",
    "num_tokens": "tokens",
}
"""TRL's metric names and ours. `tokens` counts all tokens since the stage began."""


class Progress(TrainerCallback):  # type: ignore[misc]
    """Writes one ledger line per optimizer step and shows progress. Rank 0 writes; every rank watches for SIGTERM.

    `extra(step)` adds the trainer's own columns; `window` is the number of steps between borders at which it may stop.
    """

    def __init__(
        self, ledger: Ledger, *, title: str, window: int, extra: Callable[[int], Mapping[str, Column]]
    ) -> None:
        self.ledger, self.title, self.window, self.extra = ledger, title, window, extra
        self.stopped = False
        self._asked = False
        self._last = time.monotonic()
        self._tokens = 0.0
        self._bar: tqdm[NoReturn] | None = None

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: object
    ) -> None:
        signal.signal(signal.SIGTERM, self._on_signal)
        self._last = time.monotonic()
        if dist.place().first:
            self._bar = bar(title=self.title, unit="step", total=state.max_steps, done=state.global_step)

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: object
    ) -> TrainerControl:
        """Any rank asked to stop means all stop, at the same step, after saving."""
        if state.global_step % self.window == 0 and any(dist.gather(self._asked)):
            self.stopped = state.global_step < state.max_steps
            control.should_save = control.should_training_stop = True
        return control

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        *,
        optimizer: torch.optim.Optimizer,
        **kwargs: object,
    ) -> None:
        """One line per step. The summary that upstream logs after the last step is not one."""
        if not logs or "loss" not in logs:
            return
        now = time.monotonic()
        values: dict[str, Column] = {ours: logs[theirs] for theirs, ours in RENAMED.items() if theirs in logs}
        values |= self._learning_rates(optimizer, logs["learning_rate"])
        values |= self.extra(state.global_step)
        values["seconds"] = round(now - self._last, 4)
        # GRPO counts tokens where it generates: at the first step of a window.
        tokens = float(values.setdefault("tokens", self._tokens) or 0)
        values["tokens_per_second"] = round((tokens - self._tokens) / max(now - self._last, 1e-9), 1)
        self._last, self._tokens = now, tokens
        if dist.place().first:
            self.ledger.append(state.global_step, values)
            self._show(values)

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: object
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def resume_tokens(self, tokens: float) -> None:
        """Go on counting from the token total of the ledger's last line."""
        self._tokens = tokens

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._asked = True

    def _learning_rates(self, optimizer: torch.optim.Optimizer, current: float) -> dict[str, float]:
        """The rate of each part at this step. All follow one schedule, so one rate gives the others."""
        groups = optimizer.param_groups
        first = groups[0].get("initial_lr", groups[0]["lr"])
        scale = current / first if first else 0.0
        return {
            f"learning_rate/{group['part']}": group.get("initial_lr", group["lr"]) * scale
            for group in groups
            if "part" in group
        }

    def _show(self, values: Mapping[str, Column]) -> None:
        assert self._bar is not None
        shown = {"loss": f"{values['loss']:.3f}"}
        if "reward" in values:
            shown = {"reward": f"{values['reward']:.3f}"}
        shown["tokens/s"] = f"{values['tokens_per_second']:.0f}"
        self._bar.set_postfix(shown, refresh=False)
        self._bar.update(1)
