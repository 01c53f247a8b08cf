"""Withdrawn prompts of a generation window: their places are generated, and what comes of them counts for nothing.

A window without them is what its step is the mean of: their completions have no reward, no advantage, no KL term and no token
in any sum, and losses that are means over completions are means over those that are left.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from lingshu_train import dist
from lingshu_train.data.corpus.withdrawn import Flags
from lingshu_train.stages.grpo.losses import LOSSES
from lingshu_train.training.exact import Exact
from lingshu_train.training.guarded import Batch

BY_TOKENS = {loss.upstream for loss in LOSSES.values() if loss.by_tokens}


def _told(line: logging.LogRecord) -> bool:
    """Upstream warns of completions without a reward, prompt and all. Stand-ins have none; of others unscored.py tells."""
    return "All reward functions returned None" not in line.getMessage()


logging.getLogger("trl.trainer.grpo_trainer").addFilter(_told)


class Passing(Exact):
    """Mixin that goes before TRL's GRPOTrainer. `gone(rows)` says which rows are withdrawn; None: none of the stage's."""

    gone: Callable[[Sequence[int]], Flags] | None = None
    _scale: tuple[int, float] = (-1, 1.0)
    """The optimizer step that a scale was computed for, and the scale."""

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> Batch:
        output: Batch = super()._generate_and_score_completions(inputs)
        if self.gone is None:
            return output
        here = torch.from_numpy(self.gone([item["row"] for item in inputs])).to(self.args.device)
        flags = self.accelerator.gather(here)
        if not bool(flags.any()):
            return output
        lengths = output["completion_mask"].sum(dim=1)
        spent = lengths + output["prompt_mask"].sum(dim=1)
        self._count(self.accelerator.gather(lengths), self.accelerator.gather(spent), flags)
        output["completion_mask"] = output["completion_mask"] * (~here)[:, None]
        output["advantages"] = output["advantages"] * ~here
        return output

    def compute_loss(
        self,
        model: nn.Module,
        inputs: Batch,
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> Any:
        loss = super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        return loss if self.gone is None else loss * self._scaled()

    def _clip_grad_norm(self, model: nn.Module) -> Any:
        """A step that the shuffle gave nothing but withdrawn completions moves no weight and no moment."""
        passed = self.guard.leaves_out(self.next_step)
        if self.gone is not None and not passed and self._scaled() == 0.0:
            model.zero_grad(set_to_none=True)
            return torch.zeros(())
        return super()._clip_grad_norm(model)

    def _scaled(self) -> float:
        """What makes a mean over all places of this optimizer step one over those that are left; 0 where none is."""
        step = int(self.state.global_step)
        if self._scale[0] != step:
            self._scale = (step, self._compute_scale())
        return self._scale[1]

    def _compute_scale(self) -> float:
        accumulation = self.current_gradient_accumulation_steps
        first = self._step % self.args.steps_per_generation // accumulation * accumulation
        parts: Sequence[Mapping[str, torch.Tensor]] = self._buffered_inputs[first : first + accumulation]
        left = [part["completion_mask"].any(dim=1) for part in parts]
        every = dist.gather((sum(len(one) for one in left), sum(int(one.sum()) for one in left)))
        places, kept = sum(one for one, _ in every), sum(one for _, one in every)
        if not kept:
            return 0.0
        # A mean over tokens is one over those that are left.
        return 1.0 if self.loss_type in BY_TOKENS else places / kept

    def _count(self, lengths: torch.Tensor, spent: torch.Tensor, flags: torch.Tensor) -> None:
        """Upstream has counted the stand-ins into the window's lengths, tokens and groups."""
        metrics = self._metrics["train"]
        self.state.num_input_tokens_seen -= int(spent[flags].sum())
        metrics["num_tokens"] = [self.state.num_input_tokens_seen]
        kept = int((~flags).sum())
        if kept:
            metrics["completions/mean_length"][-1] = float(lengths[~flags].float().mean())
            metrics["frac_reward_zero_std"][-1] *= len(flags) / kept
