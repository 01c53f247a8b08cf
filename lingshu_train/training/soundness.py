"""What is asserted of a trainer: after a resume that it is where its checkpoint says, and at the end that it is at the end."""

from __future__ import annotations

from pathlib import Path

import torch
from peft import PeftModel
from torch import nn
from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from lingshu_train import dist
from lingshu_train.errors import LingshuError, RunAgain
from lingshu_train.runs import checkpoint, hashes, moved
from lingshu_train.runs.stage import Stage
from lingshu_train.training import adapters

_AGAIN = "run the same command again: it sets the checkpoint aside and goes on from the one before"


class Restored(TrainerCallback):  # type: ignore[misc]
    """Sees to it that what was loaded is the checkpoint that was verified. Upstream starts anew from whatever file is missing,
    and says nothing.

    RunAgain (75) where the files are no longer those that were verified; LingshuError (70) where they are, and step or
    optimizer are not what they say.
    """

    def __init__(self, stage: Stage, resume: Path) -> None:
        self._stage, self._resume = stage, resume
        # What was put in from another layout was compared name by name; an adapter's file there may be rounded.
        self._otherwise = moved.divided_otherwise(stage, resume)
        self.loaded = False

    def on_train_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        *,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        **kwargs: object,
    ) -> None:
        """Model, optimizer, schedule and step have been loaded."""
        record = checkpoint.read(self._resume)
        found: list[tuple[str, object, object]] = [("step", state.global_step, record.step)]
        if isinstance(model, PeftModel) and not self._otherwise:
            found.append(("other tensors of its adapter", adapters.unlike(model, self._resume)[:3], []))
        if record.optimizer_steps is not None:
            found.append(("number of optimizer steps", optimizer_steps(optimizer), record.optimizer_steps))
        for what, here, wanted in found:
            if here != wanted:
                if fault := self.changed():
                    raise RunAgain(f"{self._resume}: {fault}, while it was loaded; {_AGAIN}")
                raise LingshuError(
                    f"{self._resume}: is whole, and was loaded with {what} {here} and not {wanted}; nothing was trained"
                )

    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: object
    ) -> None:
        """The random state has been loaded too, and nothing of the checkpoint is read after this."""
        if not self.loaded:
            fault = dist.from_first(self.changed() if dist.place().first else None)
            if fault:
                raise RunAgain(f"{self._resume}: {fault}, while it was loaded; {_AGAIN}")
            self.loaded = True

    def changed(self) -> str | None:
        """What is wrong with the checkpoint now. What has not changed since it was verified is not hashed again."""
        memory = hashes.Memory(self._stage.path.parent)
        return checkpoint.problem(self._resume, content=self._stage.content, memory=memory)


def optimizer_steps(optimizer: object) -> int:
    """Steps that an optimizer has done, as its own state says, below whatever wraps it; 0 of a fresh one."""
    while (inner := getattr(optimizer, "optimizer", None)) is not None:
        optimizer = inner
    states = getattr(optimizer, "state", {}).values()
    return max((int(one["step"]) for one in states if isinstance(one, dict) and "step" in one), default=0)


@torch.no_grad()
def unfinite(model: nn.Module) -> str:
    """Which weights of this rank's share are not finite, in one clause; empty where all are."""
    # Under ZeRO-3 each rank holds a part of every tensor, and the tensor itself is empty but for small ones, kept whole.
    held = [
        (name, weight if weight.numel() else getattr(weight, "ds_tensor", weight))
        for name, weight in model.named_parameters()
    ]
    # A sum needs no room. It overflows where no weight does, which the second look tells.
    sums = torch.stack([values.sum(dtype=torch.float32) for _, values in held])
    seen = zip(held, torch.isfinite(sums).tolist(), strict=True)
    bad = [name for (name, values), good in seen if not good and not torch.isfinite(values).all()]
    return f"{len(bad)} of {len(held)} weight tensors are not finite, {bad[0]} first" if bad else ""


def assert_end(trainer: Trainer, steps: int) -> None:
    """What has ended early is no end: LingshuError (70), and nothing is saved as done."""
    step = trainer.state.global_step
    if step != steps:
        raise LingshuError(
            f"training ended at step {step} of {steps}, so it is not saved as done; run the same command again: it goes "
            "on from the last checkpoint"
        )
