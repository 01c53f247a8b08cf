"""Processor seconds, samples, tokens and losses of each step of whatever trains through transformers' Trainer, and its peak memory.

Imported in each system's own environment: transformers and the standard library only.
"""

from __future__ import annotations

import itertools
import resource
import statistics
import time
from typing import Any

from transformers import Trainer
from transformers.trainer_callback import DefaultFlowCallback

WARM = 2
"""Steps that are left out."""


class Steps:
    """From when it is made. `samples` and `tokens` of a step are counted where the trainer takes its batches, or set by who
    knows better."""

    def __init__(self) -> None:
        self.samples: list[float] = []
        self.tokens: list[float] = []
        self.losses: list[float] = []
        self._times = [time.process_time()]
        ended, taken = DefaultFlowCallback.on_step_end, Trainer.get_batch_samples

        def on_step_end(callback: Any, *args: Any, **kwargs: Any) -> Any:
            self._times.append(time.process_time())
            return ended(callback, *args, **kwargs)

        def on_log(
            callback: Any, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any
        ) -> None:
            if logs and "loss" in logs:
                self.losses.append(float(logs["loss"]))

        def get_batch_samples(trainer: Any, *args: Any, **kwargs: Any) -> Any:
            found = taken(trainer, *args, **kwargs)
            if masks := [batch["attention_mask"] for batch in found[0] if "attention_mask" in batch]:
                self.samples.append(float(sum(len(mask) for mask in masks)))
                self.tokens.append(float(sum(mask.bool().sum().item() for mask in masks)))
            return found

        DefaultFlowCallback.on_step_end = on_step_end
        DefaultFlowCallback.on_log = on_log
        Trainer.get_batch_samples = get_batch_samples

    def told(self) -> dict[str, Any]:
        """After training."""
        taken = [after - before for before, after in itertools.pairwise(self._times)][WARM:]
        mean = statistics.mean(taken)
        return {
            "core_seconds_a_step": statistics.median(taken),
            "samples_per_core_second": statistics.mean(self.samples[WARM : WARM + len(taken)]) / mean,
            "tokens_per_core_second": statistics.mean(self.tokens[WARM : WARM + len(taken)]) / mean,
            "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            "samples": self.samples,
            "tokens": self.tokens,
            "losses": self.losses,
        }
