"""Log-probabilities of a window under a policy that stays: completions of like length together, as many at once as fit."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from lingshu_train.stages.grpo import pictures
from lingshu_train.stages.grpo.config import ROLLOUT_BATCH
from lingshu_train.stages.grpo.updates import Divided, taken, trimmed
from lingshu_train.training.guarded import Batch

SHARE = 4
"""Of `rollout_batch`, the part that is scored in one call: without gradients a layer's inputs are what needs memory, of prompt
and completion, where drawing has those of the prompt and a cache."""

Scores = tuple[torch.Tensor, torch.Tensor | None, torch.Tensor | None]


class Scored(Divided):
    """Mixin that goes before TRL's GRPOTrainer, which scores a window in forward passes of an update's size, all as wide as
    the longest prompt and the longest completion."""

    rollout_batch: int = ROLLOUT_BATCH

    def _get_per_token_logps_and_entropies(
        self,
        model: nn.Module,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        logits_to_keep: int,
        **given: Any,
    ) -> Scores:
        """As upstream's, which asks with a `batch_size` for a whole window and without for a forward pass of an update."""
        ask = super()._get_per_token_logps_and_entropies
        batch_size: int | None = given.pop("batch_size", None)
        if batch_size is None:
            found: Scores = ask(model, input_ids, attention_mask, logits_to_keep, **given)
            return found
        size = max(batch_size, self.rollout_batch // SHARE)
        window = _window(input_ids, attention_mask, logits_to_keep, given)
        shown = pictures.of_window(self.run.family, window, self._picture_inputs)
        rest: Batch = {name: value for name, value in window.items() if value is not None}
        for name in (*self._picture_inputs, pictures.COUNTS, pictures.PIECES):
            rest.pop(name, None)
        order = sorted(
            range(len(input_ids)), key=attention_mask.sum(dim=1).tolist().__getitem__, reverse=True
        )
        scores = torch.zeros_like(window["completion_ids"], dtype=torch.float32)
        for first in range(0, len(order), size):
            places = order[first : first + size]
            part = trimmed(taken(rest, places))
            width = part["completion_ids"].shape[1]
            both = [
                torch.cat([part.pop(f"prompt_{name}"), part.pop(f"completion_{name}")], dim=1)
                for name in ("ids", "mask")
            ]
            seen = self.shown(shown, places) if shown else {}
            with self.copies.told(seen.pop(pictures.COPIES, None)):
                logps, _, _ = ask(model, *both, width, **part, **seen)
            scores[places, :width] = logps
        return scores, None, None


def _window(ids: torch.Tensor, mask: torch.Tensor, keep: int, given: dict[str, Any]) -> dict[str, Any]:
    """The window as updates.py takes parts of it."""
    return {
        "prompt_ids": ids[:, :-keep],
        "prompt_mask": mask[:, :-keep],
        "completion_ids": ids[:, -keep:],
        "completion_mask": mask[:, -keep:],
        **given,
    }
