"""Nothing that is not finite moves a weight: a step is looked at before the optimizer moves, and run again once.

Where a loss is not finite its gradient is made NaN, so that the sum over ranks carries it to all. Ranks agree on every step by
one number each, since a fault may lie in what a single rank holds after that sum; of a fault they say what they saw.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from accelerate.utils import DistributedType
from torch import nn
from transformers import Trainer

from lingshu_train import dist
from lingshu_train.training import soundness
from lingshu_train.training.divergence import Guard, finite

UPSTREAM = {
    "get_batch_samples": ("self", "epoch_iterator", "num_batches", "device"),
    "training_step": ("self", "model", "inputs", "num_items_in_batch"),
    "compute_loss": ("self", "model", "inputs", "return_outputs", "num_items_in_batch"),
    "_clip_grad_norm": ("self", "model"),
    "log": ("self", "logs", "start_time"),
}
"""As in exact.py."""

Batch = dict[str, torch.Tensor]
"""What the collator makes, or a GRPO window's part."""


@dataclass(frozen=True, slots=True)
class _Before:
    """What the passes of a step change beside gradients, as it was before them: TRL's metrics, and the state of chance on the
    host and on the one device of this process."""

    metrics: dict[str, list[float]]
    host: torch.Tensor
    device: torch.device
    chance: torch.Tensor | None

    def restore(self, metrics: dict[str, list[float]]) -> None:
        metrics.clear()
        metrics.update({name: list(values) for name, values in self.metrics.items()})
        torch.set_rng_state(self.host)
        if self.chance is not None:
            torch.cuda.set_rng_state(self.chance, self.device)


class Guarded(Trainer):  # type: ignore[misc]
    """Mixin that goes before a TRL trainer. Needs `logging_steps=1` and a `max_grad_norm` above 0."""

    guard: Guard
    again = False
    """Whether a step's batches are being run a second time."""
    _batches: list[Batch]
    _items: torch.Tensor | int | None
    _losses: list[float]
    _before: _Before | None = None

    def get_batch_samples(
        self, epoch_iterator: Iterator[Batch], num_batches: int, device: torch.device
    ) -> tuple[list[Batch], torch.Tensor | int | None]:
        self._batches, self._items = super().get_batch_samples(epoch_iterator, num_batches, device)
        self._losses, self._before = [], None
        return self._batches, self._items

    def training_step(
        self, model: nn.Module, inputs: Batch, num_items_in_batch: torch.Tensor | int | None = None
    ) -> torch.Tensor:
        if self.guard.leaves_out(self.next_step):
            model.train()
            self.pass_over(inputs)
            return torch.zeros((), device=self.args.device)
        loss: torch.Tensor = super().training_step(model, inputs, num_items_in_batch)
        return loss

    @property
    def next_step(self) -> int:
        """The step that is being computed, counted from 1."""
        return int(self.state.global_step) + 1

    def pass_over(self, inputs: Batch) -> None:
        """What a micro-step still does whose step is left out: nothing in supervised training."""

    def rewind_step(self) -> None:
        """Make ready to run the step's micro-steps again."""

    def compute_loss(
        self,
        model: nn.Module,
        inputs: Batch,
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> Any:
        if return_outputs:
            return super().compute_loss(model, inputs, True, num_items_in_batch)
        if self._before is None:
            self._before = self._remember()
        loss = super().compute_loss(model, inputs, num_items_in_batch=num_items_in_batch)
        if not torch.isfinite(loss):
            self._losses.append(float(loss.detach()))
            loss = loss * math.nan
        return loss

    def _clip_grad_norm(self, model: nn.Module) -> Any:
        """Between the last backward pass of a step and the optimizer; DeepSpeed has by now moved it, or left it as it was."""
        if self.guard.leaves_out(self.next_step):
            return torch.zeros(())
        norm = super()._clip_grad_norm(model)
        if self._finite(norm):
            return norm
        self.look_at_weights(self.next_step)
        first = self._what(norm)
        norm = self._run_again(model)
        if not self._finite(norm):
            self.guard.persists(self.next_step, self._what(norm), steps=(self.next_step,))
        self.guard.passed(self.next_step, first)
        return norm

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        for name in ("loss", "grad_norm"):
            value = logs.get(name)
            if value is not None and not math.isfinite(value):
                # What was looked at before the step was finite: whatever spoilt this since may have spoilt the weights.
                self.guard.persists(int(self.state.global_step), f"the {name} is {value} after its step")
        super().log(finite(logs), start_time)

    def look_at_weights(self, step: int) -> None:
        """Go back where a weight is not finite on any rank: before anything is written, and to tell who is to blame. It is not
        the batch then."""
        seen = dist.gather(soundness.unfinite(self.model))
        found = next((each for each in seen if each), "")
        if found:
            self.guard.persists(step, found)

    def _run_again(self, model: nn.Module) -> Any:
        """The forward and backward passes of this step once more, from where they began."""
        assert self._before is not None
        self._before.restore(self._metrics["train"])
        self._losses = []
        model.zero_grad()
        self._tr_loss.zero_()
        deepspeed = self.accelerator.distributed_type == DistributedType.DEEPSPEED
        if deepspeed:
            # It has counted a step that it skipped.
            self.deepspeed.global_steps -= 1
            self.deepspeed.skipped_steps -= 1
            self.deepspeed.global_samples -= self.deepspeed.train_batch_size()
        self.rewind_step()
        self.again = True
        try:
            for number, inputs in enumerate(self._batches, 1):
                last = number == len(self._batches)
                self.accelerator.gradient_state._set_sync_gradients(last)
                with nullcontext() if last or deepspeed else self.accelerator.no_sync(model=model):
                    self._tr_loss += super().training_step(model, inputs, self._items)
        finally:
            self.again = False
        return super()._clip_grad_norm(model)

    def _remember(self) -> _Before:
        """What the passes of a step change beside gradients: TRL's metrics and the state of chance."""
        metrics = {name: list(values) for name, values in self._metrics["train"].items()}
        device = self.args.device
        chance = torch.cuda.get_rng_state(device) if device.type == "cuda" else None
        return _Before(metrics, torch.get_rng_state(), device, chance)

    def _finite(self, norm: Any) -> bool:
        """Whether the gradient norm is finite on every rank."""
        own = not math.isfinite(float(norm))
        if dist.place().world_size == 1:
            return not own
        return not float(self.accelerator.reduce(torch.tensor(float(own), device=self.args.device)))

    def _what(self, norm: Any) -> str:
        """What was not finite on which rank, the same on every rank. A loss comes first: it makes every rank's norm NaN."""
        loss = f"the loss is {self._losses[0]}" if self._losses else ""
        size = (
            "" if math.isfinite(float(norm)) else f"the gradient norm is {float(norm)} and the loss is finite"
        )
        seen = dist.gather((loss, size))
        column = 0 if any(each for each, _ in seen) else 1
        said = {rank: each[column] for rank, each in enumerate(seen) if each[column]}
        where = "" if len(said) == len(seen) else f" on rank {', '.join(map(str, said))} of {len(seen)}"
        return next(iter(said.values())) + where
