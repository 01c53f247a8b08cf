"""What every trainer here adds to TRL's: exact resume, order by arithmetic, part-wise learning rates, no hidden NaN.

Each overridden method belongs to transformers 5.23 / TRL 1.16 and is named in UPSTREAM; a test fails when one of them
changes its signature.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from torch import nn
from torch.utils.data import Sampler
from transformers import Trainer

from lingshu_train import dist
from lingshu_train.errors import OutputFailed, TrainingDiverged
from lingshu_train.model import load, parts, vision_guard
from lingshu_train.model.family import Family
from lingshu_train.runs import checkpoint
from lingshu_train.runs.files import failure
from lingshu_train.runs.stage import Stage

UPSTREAM = {
    "_get_train_sampler": ("self", "train_dataset"),
    "create_optimizer": ("self", "model"),
    "training_step": ("self", "model", "inputs", "num_items_in_batch"),
    "log": ("self", "logs", "start_time"),
    "_get_output_dir": ("self", "trial"),
    "_save_checkpoint": ("self", "model", "trial"),
    "_save": ("self", "output_dir", "state_dict"),
    "_load_from_checkpoint": ("self", "resume_from_checkpoint", "model"),
    "get_batch_samples": ("self", "epoch_iterator", "num_batches", "device"),
}


Batch = dict[str, torch.Tensor]
"""What the collator makes, or a GRPO window's part."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRun:
    """What a training run is, beside its trainer: where it writes, what comes n-th, and where it starts.

    `row(i)` is the data set row of the i-th item the loader yields, `items_per_step` how many items one optimizer step
    consumes over all ranks, `resume` the checkpoint that training goes on from.
    """

    stage: Stage
    family: Family
    row: Callable[[int], int]
    items_per_step: int
    resume: Path | None
    steps: int
    learning_rate: dict[str, float]
    weight_decay: float
    keep: int

    @property
    def start(self) -> int:
        """Optimizer steps already done."""
        return checkpoint.step_of(self.resume) if self.resume else 0


class Items(Sampler[int]):
    """Rows in run order. Starts where training resumes, yet reports the full length, from which steps are counted."""

    def __init__(self, run: TrainingRun) -> None:
        self.run = run

    def __len__(self) -> int:
        return self.run.steps * self.run.items_per_step

    def __iter__(self) -> Iterator[int]:
        for i in range(self.run.start * self.run.items_per_step, len(self)):
            yield self.run.row(i)


class Exact(Trainer):  # type: ignore[misc]
    """Mixin that goes before a TRL trainer. Needs `ignore_data_skip=True` and `logging_steps=1`."""

    run: TrainingRun
    optimizer: torch.optim.Optimizer | None
    _random_state_restored = False

    def begin(self, run: TrainingRun) -> None:
        """Attach the run; call before `train`."""
        self.run = run
        # Without this the mean of micro-batch means is taken (R1): transformers says of many models that they take no loss
        # arguments.
        self.model_accepts_loss_kwargs = True
        sharded = run.stage.world_size > 1 and run.stage.cluster.deepspeed == "zero3"
        for model in (self.model, getattr(self, "ref_model", None)):
            if model is not None:
                vision_guard.install(run.family, self.accelerator.unwrap_model(model), sharded=sharded)

    def _get_train_sampler(self, train_dataset: object = None) -> Sampler[int]:
        return Items(self.run)

    def create_optimizer(self, model: nn.Module | None = None) -> torch.optim.Optimizer:
        if self.optimizer is None:
            groups = parts.optimizer_groups(
                self.run.family,
                self.model,
                learning_rate=self.run.learning_rate,
                weight_decay=self.run.weight_decay,
            )
            self.optimizer = torch.optim.AdamW(
                [dict(group) for group in groups],
                betas=(self.args.adam_beta1, self.args.adam_beta2),
                eps=self.args.adam_epsilon,
            )
        return self.optimizer

    def get_batch_samples(
        self, epoch_iterator: Iterator[Batch], num_batches: int, device: torch.device
    ) -> tuple[list[Batch], torch.Tensor | int | None]:
        """Upstream restores the random state before the loader starts, and starting it draws a number."""
        batches: tuple[list[Batch], torch.Tensor | int | None] = super().get_batch_samples(
            epoch_iterator, num_batches, device
        )
        if self.run.resume is not None and not self._random_state_restored:
            self._load_rng_state(str(self.run.resume))
            self._random_state_restored = True
        return batches

    def training_step(
        self, model: nn.Module, inputs: Batch, num_items_in_batch: torch.Tensor | int | None = None
    ) -> torch.Tensor:
        loss: torch.Tensor = super().training_step(model, inputs, num_items_in_batch)
        if not torch.isfinite(loss):
            raise TrainingDiverged(
                f"step {self.state.global_step + 1}: the loss is {loss.item()}; nothing of it is saved"
            )
        return loss

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        norm = logs.get("grad_norm", 0.0)
        if not math.isfinite(norm):
            raise TrainingDiverged(
                f"step {self.state.global_step}: the gradient norm is {norm}; nothing of it is saved"
            )
        super().log(logs, start_time)

    def create_model_card(self, *args: object, **kwargs: object) -> None:
        """TRL writes a README beside every checkpoint; ours is made at export, from the manifests."""

    def _get_output_dir(self, trial: object = None) -> str:
        return str(checkpoint.staging(self.run.stage.path, self.state.global_step))

    def _save_checkpoint(self, model: nn.Module, trial: object = None) -> None:
        """Upstream writes in place, so a kill leaves half a checkpoint that the next resume trips over."""
        stage, step = self.run.stage, self.state.global_step
        staging = Path(self._get_output_dir())
        if dist.place().first:
            checkpoint.room(stage.path)
            shutil.rmtree(staging, ignore_errors=True)
            staging.mkdir(parents=True)
        dist.barrier()
        try:
            super()._save_checkpoint(model, trial)
        except (OSError, RuntimeError, SafetensorError) as fault:
            raise _unsaved(staging, fault) from fault
        dist.barrier()
        if dist.place().first:
            written = staging / f"checkpoint-{step}"
            world = dist.place().world_size
            checkpoint.commit(stage.path, written, step=step, content=stage.content, world_size=world)
            checkpoint.prune(stage.path, keep=self.run.keep)
        dist.barrier()

    def _save(self, output_dir: str | None = None, state_dict: dict[str, torch.Tensor] | None = None) -> None:
        super()._save(output_dir, state_dict)
        # A pickle of all arguments, a hub token in clear among them, that nothing here reads.
        (Path(output_dir or self.args.output_dir) / "training_args.bin").unlink(missing_ok=True)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: nn.Module | None = None) -> None:
        """Upstream loads hub names into a model with other names and only warns (R2, transformers#43701)."""
        state = load.strict_state(self.run.family, Path(resume_from_checkpoint), self.model)
        self.model.load_state_dict(state, strict=True)


def _unsaved(staging: Path, fault: Exception) -> OutputFailed | Exception:
    """torch and safetensors hide the operating system's error in their own; a full disk is told by what is left."""
    if isinstance(fault, OSError):
        shutil.rmtree(staging, ignore_errors=True)
        return failure(staging, fault)
    free = shutil.disk_usage(staging).free
    shutil.rmtree(staging, ignore_errors=True)
    if free < 2**20 or isinstance(fault, SafetensorError):
        return OutputFailed(
            f"{staging}: disk full while saving; free space and run the same command again ({fault})"
        )
    return fault
