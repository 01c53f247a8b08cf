"""The callback every trainer carries: the ledger, the progress line, and leaving together when told to stop."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import NoReturn

import torch
from tqdm import tqdm
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from lingshu_train import dist, pulse, stopping
from lingshu_train.bars import bar
from lingshu_train.runs import moved
from lingshu_train.runs.ledger import Column, Ledger
from lingshu_train.training import metering
from lingshu_train.training.metering import Meter
from lingshu_train.training.writing import Writer

RENAMED = {
    "loss": "loss",
    "grad_norm": "grad_norm",
    "reward": "reward",
    "reward_std": "reward_std",
    "frac_reward_zero_std": "groups_without_spread",
    "completions/mean_length": "completion_length",
    "kl": "kl",
    "entropy": "entropy",
    "clip_ratio/region_mean": "clipped",
    "cispo_clip_ratio": "clipped",
    "mean_token_accuracy": "token_accuracy",
    "num_tokens": "tokens",
}
"""TRL's metric names and ours. `tokens` counts all tokens since the stage began."""


class Progress(TrainerCallback):  # type: ignore[misc]
    """Writes one ledger line per optimizer step and shows progress. Rank 0 writes; every rank may be told to stop.

    `extra(step)` adds the trainer's own columns, `meter` what a step costs; `window` is the number of steps between borders at
    which it may stop, and `minutes` what lies between two checkpoints, where a clock decides.
    """

    def __init__(
        self,
        ledger: Ledger,
        *,
        title: str,
        window: int,
        extra: Callable[[int], Mapping[str, Column]],
        minutes: float | None = None,
        meter: Meter | None = None,
    ) -> None:
        self.ledger, self.title, self.window, self.extra, self.meter = ledger, title, window, extra, meter
        self.minutes = minutes
        self.writer: Writer | None = None
        self.stopped = False
        self._saved = time.monotonic()
        self._last = time.monotonic()
        self._tokens = 0.0
        self._moved: set[int] = set()
        self._bar: tqdm[NoReturn] | None = None

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: object
    ) -> None:
        # From here on a request waits for a step's end, where there is something to save.
        stopping.listen()
        # A checkpoint says how often it was saved; the recipe may say something else by now.
        state.save_steps = args.save_steps
        self._last = self._saved = time.monotonic()
        self._moved = {move.step + 1 for move in moved.read(self.ledger.path.parent)}
        if dist.place().first:
            self._bar = bar(title=self.title, unit="step", total=state.max_steps, done=state.global_step)
        self._begin(state)

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: object
    ) -> TrainerControl:
        """Any rank asked to stop means all stop, at the same step, after saving."""
        if state.global_step % self.window:
            pulse.give(pulse.RESTS)
            return control
        told, due, busy, failed = map(any, zip(*dist.gather(self._said()), strict=True))
        pulse.give(pulse.ENDED)
        if failed and self.writer:
            self.writer.settle()
        last = state.global_step >= state.max_steps
        if told:
            self.stopped = not last
            control.should_save = control.should_training_stop = True
        else:
            control.should_save = (control.should_save or due) and (last or not busy)
        return control

    def _said(self) -> tuple[bool, bool, bool, bool]:
        """What ranks agree on after a step: told to stop; by the first one's clock a checkpoint is due; one is still being
        written; one could not be."""
        due = self.minutes is not None and time.monotonic() - self._saved >= 60 * self.minutes
        writer = self.writer
        return (
            stopping.asked() is not None,
            due and dist.place().first,
            writer is not None and writer.busy,
            writer is not None and writer.failed,
        )

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
        if state.global_step in self._moved:
            values[moved.COLUMN] = 1
        values["seconds"] = round(now - self._last, 4)
        # GRPO counts tokens where it generates: at the first step of a window.
        tokens = float(values.setdefault("tokens", self._tokens) or 0)
        values["tokens_per_second"] = round((tokens - self._tokens) / max(now - self._last, 1e-9), 1)
        if self.minutes is not None and control.should_save:
            values["saved"] = 1
        if self.meter:
            values |= self.meter.columns(now - self._last)
        self._last, self._tokens = now, tokens
        if dist.place().first:
            self.ledger.append(state.global_step, values)
            self._show(values)
        # What the first rank alone has measured is waited for here, and not where gradients or counts are exchanged.
        dist.barrier()
        if not control.should_save:
            self._begin(state)

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: object
    ) -> None:
        self._saved = time.monotonic()
        self._begin(state)

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: object
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def resume_tokens(self, tokens: float) -> None:
        """Go on counting from the token total of the ledger's last line."""
        self._tokens = tokens

    def _begin(self, state: TrainerState) -> None:
        """Tell the launcher that a step begins, its batch included: it may not take for ever."""
        if state.global_step < state.max_steps and not self.stopped:
            pulse.give(pulse.GOES_ON if state.global_step % self.window else pulse.BEGUN)

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
        name = "reward" if "reward" in values else "loss"
        # A step that was left out has no loss.
        shown = {name: "-" if values[name] is None else f"{values[name]:.3f}"}
        shown |= metering.shown(values)
        self._bar.set_postfix(shown, refresh=False)
        self._bar.update(1)
